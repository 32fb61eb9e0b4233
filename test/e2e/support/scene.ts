/** A server full of what a team's afternoon leaves behind: real libraries, several models, successes and failures. */
import { sessionIdOf } from '../../../src/index.ts';
import { exportScenario, postCompletion, type RunningServer } from './inspector.ts';

const SCENARIOS = [
  'openinference/openai-tools-round-trip',
  'vercel-ai-5/tool-loop-parallel',
  'traceloop/anthropic-thinking-cache',
  'anthropic-sdk/tool-loop-content',
  'openinference/openai-error-retry-success',
  'openinference/openai-vision',
  'otel-openai/chat',
  'openinference-langchain/agent',
  'elastic-openai/error-429-exhausted',
  'elastic-openai/chat-no-content',
  'openinference/openai-reasoning-cached-usage',
  'strands/latest-agent-tool-loop',
  'openinference/openai-multiple-choices',
  'traceloop/google-genai',
  'langfuse/openai-chat',
  'vercel-ai-6/generate-text-reasoning',
];

const STEP_MILLIS = 7 * 60_000;

export async function fillScene(server: RunningServer, names: readonly string[] = SCENARIOS): Promise<void> {
  let end = Date.now() - names.length * STEP_MILLIS;
  for (const name of names) {
    await exportScenario(server, name, end);
    end += STEP_MILLIS;
  }
}

/** Sessions of made-up traffic for the charts: the same figures at every run. */
export async function postTraffic(server: RunningServer, count: number): Promise<void> {
  const models = [
    ['gpt-4o-mini', 'openai', 600],
    ['gpt-4o', 'openai', 1_700],
    ['claude-sonnet-4-5', 'anthropic', 2_600],
  ] as const;
  const now = Date.now() / 1_000;
  let seed = 7;
  const random = (): number => {
    seed = (seed * 16_807) % 2_147_483_647;
    return seed / 2_147_483_647;
  };
  for (let i = 0; i < count; i++) {
    const [model, provider, typicalMillis] = models[Math.floor(random() ** 1.6 * 3)]!;
    const seconds = (typicalMillis / 1_000) * (0.5 + random() * 1.2 + (random() > 0.92 ? 3 : 0));
    const start = now - 7_200 * (1 - i / count) + random() * 60;
    const id = (i + 1).toString(16).padStart(12, '0');
    await postCompletion(server, sessionIdOf(`ticket-desk-${100 + (i >> 3)}`), {
      completion_id: `c0de0000-0000-4000-8000-${id}`,
      messages: [
        { role: 'user', content: `Summarise ticket ${4_000 + i} in a sentence.` },
        {
          role: 'assistant',
          content: `Ticket ${4_000 + i}: the customer asks for a refund of a double booking.`,
        },
      ],
      session_info: { custom_metadata: { 'session.id': `ticket-desk-${100 + (i >> 3)}` } },
      call_info: {
        model,
        provider,
        start_time: start,
        end_time: start + seconds,
        usage: {
          prompt_tokens: 300 + Math.floor(random() * 900),
          completion_tokens: 40 + Math.floor(random() * 200),
        },
        ...(random() > 0.97 && {
          provider_info: { error: { type: 'RateLimitError', message: '429 slow down' } },
        }),
      },
    });
  }
}
