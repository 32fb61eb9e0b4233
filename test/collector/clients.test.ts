/**
 * Clients nobody here wrote: the OTLP exporters of three languages, real instrumentations, and records that say what the model server
 * really got and gave.
 */
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startFaultServer } from '../faults/fault-server.ts';
import { startCollector } from './support/collector.ts';
import { startGateway } from './support/gateway.ts';
import { FIRST_TOKENS, type ServedCall, startModelServer } from './support/model-server.ts';
import { startProgram, until } from './support/process.ts';
import { prepareIfPossible } from './support/tools.ts';
import { type ToldCall, toldIn, truthOf } from './support/truth.ts';

const context = { onTestFinished };
const CLIENTS = join(import.meta.dirname, 'clients');
const python = prepareIfPossible('python');
const go = prepareIfPossible('go');

type Way = 'gateway' | 'Collector';

interface Client {
  readonly name: string;
  readonly file: string | undefined;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly way: Way;
  /** What this instrumentation leaves out, or says otherwise than it was; everything else must be the truth. */
  readonly gap?: Gap;
}

type Gap = (truth: ToldCall, call: ServedCall) => ToldCall;

/** The events of the conventions before 1.37 have no place for tools that are offered. */
const toolsUntold: Gap = (truth) => ({ ...truth, tools: [] });

/** Events of earlier replies have either their text or their tool calls. */
const textBesideCallsUntold: Gap = (truth) => ({
  ...truth,
  tools: [],
  messages: truth.messages.map((message, place) =>
    message.calls.length > 0 && place < truth.messages.length - 1 ? { ...message, text: '' } : message,
  ),
});

/** Of a stream, the tokens that its first event counts are added to the total at its end, which holds them already. */
const firstTokensCountedTwice: Gap = (truth, { isStream }) =>
  isStream && truth.usage
    ? { ...truth, usage: { ...truth.usage, completion: truth.usage.completion + FIRST_TOKENS } }
    : truth;

function javascript(library: string, encoding: 'json' | 'protobuf', rest: Partial<Client> = {}): Client {
  const args = [join(CLIENTS, 'js', 'client.mjs'), library, encoding];
  return {
    name: `JavaScript, ${library}, ${encoding}`,
    file: process.execPath,
    args,
    way: 'gateway',
    ...rest,
  };
}

function pythonClient(library: string, rest: Partial<Client> = {}): Client {
  const args = [join(CLIENTS, 'python', 'client.py'), library];
  return { name: `Python, ${library}`, file: python, args, way: 'gateway', ...rest };
}

const capture = { OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' };

const JAVASCRIPT: readonly Client[] = [
  javascript('opentelemetry-openai', 'json', { gap: toolsUntold }),
  javascript('opentelemetry-openai', 'protobuf', { way: 'Collector', gap: toolsUntold }),
  javascript('openinference-langchain', 'protobuf'),
  javascript('vercel-ai', 'json'),
];
const PYTHON: readonly Client[] = [
  pythonClient('opentelemetry-openai', { env: capture, gap: textBesideCallsUntold }),
  pythonClient('opentelemetry-openai', { env: capture, way: 'Collector', gap: textBesideCallsUntold }),
  pythonClient('openllmetry-openai'),
  pythonClient('openllmetry-anthropic', { gap: firstTokensCountedTwice }),
  pythonClient('openinference-openai'),
  pythonClient('openinference-anthropic'),
  pythonClient('openinference-langchain'),
  pythonClient('langchain-and-openai'),
  pythonClient('pydantic-ai'),
];
const GO: readonly Client[] = [
  { name: 'Go, by hand', file: go, args: [], way: 'gateway' },
  { name: 'Go, by hand', file: go, args: [], way: 'Collector' },
];

async function expectTruth({ file = '', args, env = {}, way, gap }: Client): Promise<void> {
  const api = await startFaultServer(context);
  const model = await startModelServer(context);
  const gateway = await startGateway(context, { api });
  const collector =
    way === 'Collector'
      ? await startCollector(context, {
          recipe: 'agent-to-gateway.yaml',
          env: { FREEPLAY_GATEWAY: gateway.url },
        })
      : undefined;
  const client = startProgram(context, file, args, {
    OPENAI_API_KEY: 'sk-not-a-key',
    OPENAI_BASE_URL: `${model.url}/v1`,
    ANTHROPIC_BASE_URL: model.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector?.httpUrl ?? gateway.url,
    ...env,
  });
  const [, count] = await client.printed(/made (\d+) calls/);
  expect(await client.ended).toBe(0);
  expect(model.calls).toHaveLength(Number(count));

  const bodies = (): unknown[] =>
    [...api.book.recorded.values()].map(({ text }) => JSON.parse(text)).filter((body) => 'messages' in body);
  await until(
    () => bodies().length >= model.calls.length,
    30_000,
    () => `${bodies().length} of ${model.calls.length} completions are there`,
  );
  if (collector) expect(await collector.kill('SIGTERM')).toBe(0);
  expect(await gateway.kill('SIGTERM')).toBe(0);
  expect(api.book.complaints).toEqual([]);
  const truth = model.calls.map((call) => gap?.(truthOf(call), call) ?? truthOf(call));
  expect(inOrder(bodies().map(toldIn))).toEqual(inOrder(truth));
}

/** By what was said: records may come in any order, and clients may ask at the same time. */
function inOrder(calls: readonly ToldCall[]): readonly ToldCall[] {
  const key = ({ messages }: ToldCall): string => JSON.stringify(messages.map(({ text }) => text));
  return calls.toSorted((a, b) => (key(a) < key(b) ? -1 : 1));
}

describe('JavaScript', () => {
  it.for(JAVASCRIPT)('$name → $way', (client) => expectTruth(client));
});
describe.skipIf(python === undefined)('Python', () => {
  it.for(PYTHON)('$name → $way', (client) => expectTruth(client));
});
describe.skipIf(go === undefined)('Go', () => {
  it.for(GO)('$name → $way', (client) => expectTruth(client));
});
