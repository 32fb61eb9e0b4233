import type { RecordBody } from '../record/record.ts';
import { wordsOf } from './search-words.ts';
import { groupOf, parentOf } from './store.ts';
import { asObject, messageWords, nameOf, type RecordSummary, summarise, valueWords } from './summary.ts';
import { plainText } from './terminal-text.ts';

/** What lists, filters and charts ask of a record: worked out once, when it is stored, and kept in memory. */
export interface RecordFacts {
  readonly label: RecordSummary['label'];
  /** Of a trace record; of a completion its model. */
  readonly name: string;
  readonly group?: string | undefined;
  readonly parent?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  /** A trace record of an agent: what the completions below it are filtered by. */
  readonly agentName?: string | undefined;
  /** Milliseconds since the epoch. */
  readonly start?: number | undefined;
  readonly durationMillis?: number | undefined;
  readonly promptTokens?: number | undefined;
  readonly completionTokens?: number | undefined;
  readonly failed: boolean;
  /** What the app called the session, where that is not its id. */
  readonly sessionName?: string | undefined;
}

/** What a row shows and nothing is filtered by: kept with the record. */
export interface RecordTexts {
  readonly input: string;
  readonly output: string;
  /** First words of the first user message, where that is not the input. */
  readonly opening?: string | undefined;
  readonly otelTraceId?: string | undefined;
  readonly url?: string | undefined;
}

export interface RecordReading {
  readonly facts: RecordFacts;
  readonly texts: RecordTexts;
  /** What it is found by. */
  readonly words: readonly string[];
}

const SHOWN_LENGTH = 200;

/** Total: a body of any shape gives a reading. */
export function readRecord(kind: 'completion' | 'trace', body: RecordBody): RecordReading {
  const { label, name, words, ...figures } = summarise({ kind, id: '', body });
  const common = { label, name, group: groupOf(body), parent: parentOf(body), ...figures };
  return kind === 'completion' ? readCompletion(body, common, words) : readTrace(body, common, words);
}

type Common = Omit<RecordFacts, 'model' | 'provider' | 'agentName' | 'sessionName'>;

function readCompletion(body: RecordBody, common: Common, output: string): RecordReading {
  const call = asObject(body.call_info);
  const info = asObject(call.provider_info);
  const otel = asObject(info.otel);
  const messages = Array.isArray(body.messages) ? (body.messages as readonly unknown[]) : [];
  const reply = messages.at(-1);
  const before = asObject(reply).role === 'assistant' ? messages.slice(0, -1) : messages;
  const input = shown(messageWords(before.findLast(isFromUser) ?? before.at(-1)));
  const opening = shown(messageWords(before.find(isFromUser)));
  const model = nameOf(call.model);
  return {
    facts: {
      ...common,
      model,
      provider: nameOf(call.provider),
      sessionName: sessionNameOf(asObject(body.session_info).custom_metadata),
    },
    texts: {
      input,
      output: shown(output),
      ...(opening !== '' && opening !== input && { opening }),
      ...correlation(otel.trace_id, otel.url),
    },
    words: wordsOf(searchedTexts(messages, model, info.error)),
  };
}

function readTrace(body: RecordBody, common: Common, output: string): RecordReading {
  const metadata = asObject(body.custom_metadata);
  return {
    facts: {
      ...common,
      agentName: common.label === 'agent' ? common.name : nameOf(body.agent_name),
      sessionName: sessionNameOf(metadata),
    },
    texts: {
      input: shown(valueWords(body.input)),
      output: shown(output),
      ...correlation(metadata['otel.trace_id'], metadata['otel.url']),
    },
    words: [],
  };
}

function correlation(traceId: unknown, url: unknown): Pick<RecordTexts, 'otelTraceId' | 'url'> {
  return {
    ...(typeof traceId === 'string' &&
      /^[0-9a-f]{32}$/i.test(traceId) && { otelTraceId: traceId.toLowerCase() }),
    // Nothing but a web address is ever made a link of.
    ...(typeof url === 'string' && /^https?:\/\//i.test(url) && url.length <= 2_000 && { url }),
  };
}

function sessionNameOf(metadata: unknown): string | undefined {
  const name = asObject(metadata)['session.id'];
  const text = typeof name === 'string' ? plainText(name, SHOWN_LENGTH) : '';
  return text === '' ? undefined : text;
}

function isFromUser(message: unknown): boolean {
  return asObject(message).role === 'user';
}

function shown(text: string): string {
  return text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH - 1).toWellFormed()}…`;
}

/** The reply first: it is what people look for, should the rest be too long. */
function* searchedTexts(
  messages: readonly unknown[],
  model: string | undefined,
  error: unknown,
): Iterable<string> {
  if (model !== undefined) yield model;
  const { type, message } = asObject(error);
  for (const text of [error, type, message]) if (typeof text === 'string') yield text;
  yield* messageTexts(messages.at(-1));
  for (const one of messages.slice(0, -1)) yield* messageTexts(one);
}

function* messageTexts(message: unknown): Iterable<string> {
  const {
    content,
    refusal,
    reasoning_content: reasoning,
    tool_calls: calls,
    function_call: call,
  } = asObject(message);
  if (typeof content === 'string') yield content;
  for (const part of Array.isArray(content) ? content : []) {
    // Media are not text: `file_data` and data URIs stay out.
    const { text, refusal: refused, file } = asObject(part);
    for (const one of [text, refused, asObject(file).filename]) if (typeof one === 'string') yield one;
  }
  for (const one of [refusal, reasoning]) if (typeof one === 'string') yield one;
  for (const one of [...(Array.isArray(calls) ? calls : []).map((made) => asObject(made).function), call]) {
    const { name, arguments: given } = asObject(one);
    for (const text of [name, given]) if (typeof text === 'string') yield text;
  }
}
