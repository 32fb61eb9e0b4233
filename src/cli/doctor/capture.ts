/**
 * Whether the instrumentations that are installed put message content into their spans. Which setting that takes is not said here: a call
 * without content is converted, and its receipt says it, as it does in an app.
 */
import { createDataConverter } from '../../explain/convert-data.ts';
import { plainText } from '../../local/terminal-text.ts';
import { type Attributes, NO_SPAN } from '../../span/span-data.ts';
import { type Environment, type Finding, setting } from './finding.ts';
import type { Installation, InstalledPackage } from './installed.ts';
import { parseVersion } from './semver.ts';
import type { SourceWords } from './source-words.ts';

const section = 'Message content';

interface Emitter {
  /** Of the package. */
  readonly name: RegExp;
  /** Only these majors report. */
  readonly majors?: readonly [from: number, to: number];
  /** It comes with the app itself, or as one of many dependencies of others: then it says nothing. */
  readonly isLibrary?: boolean;
  /** A call of it, without content. */
  readonly scope: string;
  readonly attributes?: Attributes;
  /** Of such a span, where it matters. */
  readonly spanName?: string;
  /** `off`: content has to be turned on. `never`: it cannot be. */
  readonly content: 'on' | 'off' | 'never';
  /** Variables that turn it off where it is on, with these values. */
  readonly offWhen?: Readonly<Record<string, RegExp>>;
  /** Variables that turn it on, where the hint does not name them. */
  readonly onWhen?: Readonly<Record<string, RegExp>>;
  /** Words in the app's code that turn it on. */
  readonly code?: RegExp;
  /** What else it takes. */
  readonly besides?: string;
}

const YES = /^(true|1|yes|on)$/i;
const NO = /^(false|0|no|off)$/i;
const CONVENTIONS: Attributes = {
  'gen_ai.operation.name': 'chat',
  'gen_ai.request.model': 'm',
  'gen_ai.provider.name': 'p',
};
const GENAI_CONTENT = { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: YES };

const EMITTERS: readonly Emitter[] = [
  {
    name: /^ai$/,
    majors: [3, 6],
    isLibrary: true,
    scope: 'ai',
    attributes: { 'ai.operationId': 'ai.generateText.doGenerate', 'ai.model.id': 'm' },
    content: 'off',
    code: /\bexperimental_telemetry\b/,
  },
  { name: /^@ai-sdk\/otel$/, scope: 'gen_ai', attributes: CONVENTIONS, content: 'on' },
  {
    name: /^@(opentelemetry|elastic)\/(opentelemetry-)?instrumentation-openai$/,
    scope: '@opentelemetry/instrumentation-openai',
    attributes: CONVENTIONS,
    content: 'off',
    onWhen: GENAI_CONTENT,
    code: /\bcaptureMessageContent\s*:\s*true\b/,
    besides: 'its messages are in log events: is logRecordProcessor on the LoggerProvider?',
  },
  {
    name: /^@opentelemetry\/instrumentation-aws-sdk$/,
    scope: '@opentelemetry/instrumentation-aws-sdk',
    attributes: { ...CONVENTIONS, 'gen_ai.provider.name': 'aws.bedrock' },
    content: 'never',
  },
  {
    name: /^@anthropic-ai\/sdk$/,
    majors: [1, 99],
    isLibrary: true,
    scope: 'com.anthropic.sdk.typescript',
    attributes: CONVENTIONS,
    content: 'off',
  },
  {
    name: /^@mistralai\/mistralai$/,
    majors: [2, 99],
    isLibrary: true,
    scope: 'mistralai_sdk_tracer',
    attributes: CONVENTIONS,
    content: 'on',
  },
  {
    name: /^@sentry\/(node|node-core|nextjs)$/,
    majors: [8, 10],
    isLibrary: true,
    scope: '@sentry/node',
    attributes: { ...CONVENTIONS, 'sentry.op': 'gen_ai.chat', 'sentry.origin': 'auto.ai.openai' },
    content: 'off',
    code: /\b(sendDefaultPii|recordInputs)\s*:\s*true\b/,
  },
  {
    name: /^@google\/adk$/,
    isLibrary: true,
    scope: 'gcp.vertex.agent',
    attributes: CONVENTIONS,
    content: 'off',
  },
  {
    name: /^@traceloop\/(node-server-sdk|instrumentation-(?!utils).*)$/,
    scope: '@traceloop/instrumentation-openai',
    attributes: { 'llm.request.type': 'chat', 'gen_ai.request.model': 'm', 'gen_ai.system': 'openai' },
    content: 'on',
    offWhen: { TRACELOOP_TRACE_CONTENT: NO },
    code: /\btraceContent\s*:\s*false\b/,
  },
  {
    name: /^@arizeai\/openinference-(instrumentation-(?!utils).*|vercel)$/,
    scope: '@arizeai/openinference-instrumentation-openai',
    attributes: { 'openinference.span.kind': 'LLM', 'llm.model_name': 'm' },
    content: 'on',
    offWhen: {
      OPENINFERENCE_HIDE_INPUTS: YES,
      OPENINFERENCE_HIDE_OUTPUTS: YES,
      OPENINFERENCE_HIDE_INPUT_MESSAGES: YES,
      OPENINFERENCE_HIDE_OUTPUT_MESSAGES: YES,
      OPENINFERENCE_HIDE_INPUT_TEXT: YES,
      OPENINFERENCE_HIDE_OUTPUT_TEXT: YES,
    },
    code: /\bhide(Inputs|Outputs)\s*:\s*true\b/,
  },
  {
    name: /^langsmith$/,
    isLibrary: true,
    scope: 'langsmith',
    attributes: { 'langsmith.span.kind': 'llm', 'gen_ai.request.model': 'm' },
    content: 'on',
    offWhen: { LANGSMITH_HIDE_INPUTS: YES, LANGSMITH_HIDE_OUTPUTS: YES },
  },
  {
    name: /^@langfuse\/(otel|tracing)$/,
    scope: 'langfuse-sdk',
    attributes: { 'langfuse.observation.type': 'generation' },
    content: 'on',
  },
  {
    name: /^@lmnr-ai\/lmnr$/,
    scope: 'lmnr.tracer',
    attributes: { 'lmnr.span.type': 'LLM', 'gen_ai.request.model': 'm' },
    content: 'on',
    code: /\b(traceContent\s*:\s*false|ignore(Input|Output)\s*:\s*true)\b/,
  },
  {
    name: /^langwatch$/,
    scope: 'langwatch',
    attributes: { 'langwatch.span.type': 'llm', 'gen_ai.request.model': 'm' },
    content: 'on',
    code: /\bdataCapture\s*:\s*['"](none|input|output)['"]/,
  },
  {
    name: /^@voltagent\/core$/,
    scope: '@voltagent/core',
    attributes: { 'span.type': 'llm', 'llm.model': 'm' },
    content: 'on',
  },
  {
    name: /^@mastra\/(otel-exporter|otel-bridge)$/,
    scope: '@mastra/otel-exporter',
    attributes: { ...CONVENTIONS, 'mastra.span.type': 'model_generation' },
    content: 'on',
    code: /\bhide(Input|Output)\s*:\s*true\b/,
  },
  {
    name: /^genkit$/,
    isLibrary: true,
    scope: 'genkit-tracer',
    attributes: { 'genkit:type': 'action', 'genkit:metadata:subtype': 'model' },
    content: 'on',
  },
  {
    name: /^@strands-agents\/sdk$/,
    isLibrary: true,
    scope: 'strands-agents',
    attributes: { ...CONVENTIONS, 'gen_ai.provider.name': 'strands-agents' },
    content: 'on',
  },
  {
    name: /^@livekit\/agents$/,
    isLibrary: true,
    scope: 'livekit-agents',
    attributes: CONVENTIONS,
    spanName: 'llm_request',
    content: 'on',
    offWhen: { LIVEKIT_TELEMETRY_ALLOW_PII: NO, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: NO },
    code: /\ballowPii\s*:\s*false\b/,
  },
  {
    name: /^@microsoft\/agents-a365-observability$/,
    scope: 'Agent365Sdk',
    attributes: CONVENTIONS,
    content: 'off',
    code: /\brecordInputMessages\b/,
  },
  {
    name: /^@flue\/opentelemetry$/,
    scope: '@flue/opentelemetry',
    attributes: CONVENTIONS,
    content: 'on',
  },
  {
    name: /^@tanstack\/ai$/,
    isLibrary: true,
    scope: 'app',
    attributes: { ...CONVENTIONS, 'tanstack.ai.iteration': 0 },
    content: 'off',
    code: /\bcaptureContent\s*:\s*true\b/,
  },
  {
    name: /^@ax-llm\/ax$/,
    majors: [24, 99],
    isLibrary: true,
    scope: 'ax',
    attributes: { ...CONVENTIONS, 'gen_ai.request.llm_is_streaming': false },
    content: 'never',
  },
  {
    name: /^@ax-llm\/ax$/,
    majors: [1, 23],
    isLibrary: true,
    scope: 'ax',
    attributes: { ...CONVENTIONS, 'gen_ai.request.llm_is_streaming': false },
    content: 'on',
    code: /\bexcludeContentFromTrace\s*:\s*true\b/,
  },
  {
    name: /^@effect\/ai$/,
    scope: 'effect',
    attributes: { ...CONVENTIONS, toolChoice: 'undefined', concurrency: 'undefined' },
    spanName: 'LanguageModel.generateText',
    content: 'off',
    code: /\bCurrentSpanTransformer\b/,
  },
  { name: /^openlit$/, scope: 'openlit', attributes: CONVENTIONS, content: 'on' },
];

/** A library that tells OpenTelemetry nothing by itself from a version on. */
interface Silent {
  readonly name: RegExp;
  readonly from: number;
  /** Words in the app's code that make it speak. */
  readonly code?: RegExp;
  readonly finding: string;
  readonly fix: string;
}

const SILENT: readonly Silent[] = [
  {
    name: /^ai$/,
    from: 7,
    code: /\bnew (Legacy)?OpenTelemetry\(/,
    finding: 'reports nothing by itself from version 7 on, and no new OpenTelemetry() was found',
    fix: 'npm install @ai-sdk/otel; once the SDK is started: registerTelemetry(new OpenTelemetry())',
  },
  {
    name: /^@sentry\/(node|node-core|nextjs)$/,
    from: 11,
    finding: 'its spans are no OpenTelemetry spans from version 11 on, and are not recorded',
    fix: 'set up an OpenTelemetry SDK and an instrumentation beside it, see "Supported libraries" in the README',
  },
];

const API_LOGS = '@opentelemetry/api-logs';

export function isEmitter(name: string): boolean {
  return name === API_LOGS || EMITTERS.some((emitter) => emitter.name.test(name));
}

/** What to look for in the app's own files. */
export function captureWords(): readonly RegExp[] {
  return [...EMITTERS, ...SILENT].flatMap(({ code }) => code ?? []);
}

export function checkCapture(
  { packages, direct }: Installation,
  env: Environment,
  words: SourceWords,
): readonly Finding[] {
  const findings = EMITTERS.flatMap((emitter) => {
    const found = packages.filter((one) => isMeant(emitter, one, direct));
    const names = [...new Set(found.map(({ name, version }) => `${name} ${version}`))];
    if (names.length === 0) return [];
    const finding = findingOf(emitter, names, env, words);
    return emitter.besides === undefined
      ? [finding]
      : [finding, ...logEventFindings(finding.subject, packages)];
  });
  findings.push(...silentFindings(packages, direct, words));
  if (findings.length > 0) return findings;
  return [
    {
      id: 'content.none',
      section,
      status: 'warn',
      subject: 'instrumentation',
      finding: 'nothing that reports model calls was found among the packages',
      fix: 'see "Supported libraries" in the README; calls that come over OTLP, or from your own spans, need nothing here',
    },
  ];
}

/** A logger that is taken before a logger provider is registered finds it later only if both come from one copy of the API. */
function logEventFindings(subject: string, packages: readonly InstalledPackage[]): readonly Finding[] {
  const copies = packages.filter(({ name }) => name === API_LOGS).length;
  if (copies < 2) return [];
  return [
    {
      id: 'content.log-events',
      section,
      status: 'warn',
      subject,
      finding: `${copies} copies of ${API_LOGS}: what NodeSDK gets as instrumentations may write its log events, and so its messages, to none`,
      fix: 'registerInstrumentations({ instrumentations: […] }) after sdk.start()',
    },
  ];
}

function silentFindings(
  packages: readonly InstalledPackage[],
  direct: ReadonlySet<string> | undefined,
  words: SourceWords,
): readonly Finding[] {
  return SILENT.flatMap(({ name, from, code, finding, fix }) => {
    const found = packages.find((one) =>
      isMeant({ name, majors: [from, Infinity], isLibrary: true }, one, direct),
    );
    if (found === undefined || (code && words.get(code) !== undefined)) return [];
    return [
      {
        id: `content.${found.name}`,
        section,
        status: 'warn' as const,
        subject: `${found.name} ${found.version}`,
        finding,
        fix,
      },
    ];
  });
}

function isMeant(
  { name, majors, isLibrary }: Pick<Emitter, 'name' | 'majors' | 'isLibrary'>,
  found: InstalledPackage,
  direct: ReadonlySet<string> | undefined,
): boolean {
  if (!name.test(found.name)) return false;
  const major = parseVersion(found.version)?.[0] ?? 0;
  if (majors && (major < majors[0] || major > majors[1])) return false;
  return isLibrary !== true || direct === undefined || direct.has(found.name);
}

function findingOf(
  emitter: Emitter,
  names: readonly string[],
  env: Environment,
  words: SourceWords,
): Finding {
  const { content, code, besides } = emitter;
  const hint = hintOf(emitter);
  const about = {
    id: `content.${emitter.scope}`,
    section,
    subject:
      names.length > 2 ? `${names.slice(0, 2).join(', ')} and ${names.length - 2} more` : names.join(', '),
  } as const;
  const place = code && words.get(code);
  const seen = place === undefined ? undefined : `${place.word} in ${plainText(place.file, 80)}`;
  if (content === 'never') return { ...about, status: 'warn', finding: 'never records messages', fix: hint };
  if (content === 'on') {
    const off = seen ?? firstMatch(env, emitter.offWhen ?? {});
    return off === undefined
      ? {
          ...about,
          status: 'ok',
          finding: 'content is on by default, and nothing that turns it off was found',
        }
      : { ...about, status: 'warn', finding: `content is turned off: ${off}`, fix: hint };
  }
  const on = firstMatch(env, { ...valuesIn(hint), ...emitter.onWhen }) ?? seen;
  if (on !== undefined)
    return {
      ...about,
      status: 'ok',
      finding: `content is on: ${on}`,
      ...(besides !== undefined && { fix: besides }),
    };
  return {
    ...about,
    status: 'warn',
    finding: `content is off by default, and nothing that turns it on was found${words.isCut ? ' (not all files were looked at)' : ''}`,
    fix: hint,
  };
}

/** What the receipt of a call without content says. */
export function hintOf({ scope, attributes = {}, spanName = 'chat' }: EmitterProbe): string | undefined {
  const converter = createDataConverter({ records: 'completions' });
  const span = {
    ...NO_SPAN,
    traceId: 'a'.repeat(32),
    spanId: 'b'.repeat(16),
    name: spanName,
    scope: { name: scope, version: undefined },
    attributes,
  };
  const [plan] = converter.plan([converter.read({ span, logs: [] })]);
  const missing =
    plan && converter.build(plan).receipt.missing.find((one) => one.startsWith('message content'));
  return missing?.replace(/^message content(: turn it on with )?/, '');
}

export type EmitterProbe = Pick<Emitter, 'scope' | 'attributes' | 'spanName'>;

export const EMITTER_LIST: readonly EmitterProbe[] = EMITTERS;

/** `NAME=value` in a hint. */
function valuesIn(hint: string | undefined): Readonly<Record<string, RegExp>> {
  const found = [...(hint ?? '').matchAll(/\b([A-Z][A-Z0-9_]{5,})=([\w.-]+)/g)];
  return Object.fromEntries(
    found.map(([, name, value]) => [name, value === 'true' ? YES : new RegExp(`^${value}$`, 'i')]),
  );
}

function firstMatch(env: Environment, wanted: Readonly<Record<string, RegExp>>): string | undefined {
  for (const [name, value] of Object.entries(wanted)) {
    const given = setting(env, name);
    if (given !== undefined && value.test(given)) return `${name}=${plainText(given, 40)}`;
  }
  return undefined;
}
