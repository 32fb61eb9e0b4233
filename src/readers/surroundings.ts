/** Session, user, metadata, prompt and test run: facts about where a call was made, which everything below inherits. */
import type { EvalResults, Scalar, Surroundings } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  isForbiddenKey,
  isObject,
  type LazyJson,
  member,
  toJsonString,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';
import {
  getAttribute,
  getId,
  getString,
  isMask,
  pickId,
  toBoolean,
  toNumber,
  toStringArray,
} from '../span/attributes.ts';
import { ofKeys } from '../span/shape.ts';
import type { Attributes } from '../span/span-data.ts';

/** Where Vercel's SDK puts what the app passes along, and where others put metadata: `freeplay.*` is honoured below each. */
const PREFIXES = [
  '',
  'ai.telemetry.metadata.',
  'ai.settings.context.',
  'metadata.',
  'traceloop.association.properties.',
  'langfuse.trace.metadata.',
  'langfuse.observation.metadata.',
  'langsmith.metadata.',
  'mastra.metadata.',
  'lmnr.association.properties.metadata.',
] as const;

const METADATA_PREFIXES = [
  'ai.telemetry.metadata.',
  'ai.settings.context.',
  'langfuse.trace.metadata.',
  'langfuse.observation.metadata.',
  'langsmith.metadata.',
  'traceloop.association.properties.',
  'mastra.metadata.',
  'lmnr.association.properties.metadata.',
  'lmnr.association.properties.',
  'langwatch.langchain.run.metadata.',
  'genkit:metadata:',
  'keywordsai.metadata.',
  'trace.metadata.',
  'metadata.',
] as const;

const CONVERSATION_KEYS = [
  'gen_ai.conversation.id',
  'ai.telemetry.metadata.sessionId',
  'ai.telemetry.metadata.session_id',
  'ai.telemetry.metadata.session.id',
  'ai.telemetry.metadata.conversationId',
  'ai.telemetry.metadata.conversation_id',
  'ai.telemetry.metadata.threadId',
  'ai.telemetry.metadata.thread_id',
  'ai.settings.context.sessionId',
  'ai.settings.context.session_id',
  'ai.settings.context.conversationId',
  'ai.settings.context.threadId',
  'langfuse.session.id',
  'traceloop.association.properties.session_id',
  'traceloop.association.properties.sessionId',
  'traceloop.association.properties.conversation_id',
  'traceloop.association.properties.thread_id',
  'traceloop.association.properties.chat_id',
  'langsmith.metadata.session_id',
  'langsmith.metadata.thread_id',
  'langsmith.metadata.conversation_id',
  'lmnr.association.properties.session_id',
  'langwatch.thread.id',
  'keywordsai.threads.thread_identifier',
  'mastra.metadata.sessionId',
  'mastra.metadata.threadId',
  'gcp.vertex.agent.session_id',
  'conversation.id',
  'microsoft.session.id',
] as const;

const USER_KEYS = [
  'user.id',
  'langfuse.user.id',
  'enduser.id',
  'ai.telemetry.metadata.userId',
  'ai.telemetry.metadata.user_id',
  'ai.telemetry.metadata.user.id',
  'ai.settings.context.userId',
  'ai.settings.context.user_id',
  'traceloop.association.properties.user_id',
  'traceloop.association.properties.userId',
  'langsmith.metadata.user_id',
  'lmnr.association.properties.user_id',
  'langwatch.user.id',
  'keywordsai.customer_params.customer_identifier',
  'mastra.metadata.userId',
] as const;

const TAG_KEYS = [
  'langfuse.trace.tags',
  'tag.tags',
  'langsmith.span.tags',
  'mastra.tags',
  'langwatch.labels',
  'lmnr.association.properties.tags',
] as const;

const SESSION_NAMES = [
  'session_id',
  'sessionId',
  'session.id',
  'conversation_id',
  'conversationId',
  'thread_id',
  'threadId',
] as const;
const USER_NAMES = ['user_id', 'userId', 'user.id'] as const;

/** Metadata of one span never grows past this. */
const MAX_METADATA = 128;
const MAX_METADATA_TEXT = 8_192;
const SECRET_KEY =
  /(^|[._-])(api[_-]?key|authorization|password|secret|access[_-]?token|headers?)([._-]|$)|user_api_key/i;
/** What emitters keep among the metadata for themselves; Mastra a whole response. */
const BOOKKEEPING =
  /^(freeplay\.|gen_ai\.|event_loop\.|tag\.tags$|ls_|__|langgraph_|checkpoint_ns$|lc_|langfusePrompt$|subtype$|state$|body$|modelMetadata$|usage_metadata$|LANGSMITH_)/;

export function readSurroundings(attributes: Attributes): Surroundings | undefined {
  if (!ofKeys(attributes, saysWhere)) return undefined;
  const metadata = collectMetadata(attributes);
  const session = readSession(attributes, metadata.bag);
  const found: Surroundings = {
    session,
    userId: pickId(attributes, USER_KEYS) ?? scalarText(member(metadata.bag, ...USER_NAMES)),
    metadata: Object.keys(metadata.scalars).length > 0 ? metadata.scalars : undefined,
    inputs: readInputs(attributes),
    promptTemplateVersionId: freeplay(attributes, 'prompt_template.version.id'),
    environment: freeplay(attributes, 'environment'),
    testRunId: freeplay(attributes, 'test_run.id'),
    testCaseId: freeplay(attributes, 'test_case.id'),
    apiStyle: readApiStyle(attributes),
    projectId: freeplay(attributes, 'project.id'),
    parentId: freeplay(attributes, 'parent.id'),
  };
  return Object.values(found).some((value) => value !== undefined) ? found : undefined;
}

const LISTED: ReadonlySet<string> = new Set([
  ...CONVERSATION_KEYS,
  ...USER_KEYS,
  ...TAG_KEYS,
  'session.id',
  'metadata',
  'langfuse.observation.metadata',
  'llm.prompt_template.variables',
  'langwatch.prompt.variables',
]);

/** Whether any of these keys says something about the surroundings. */
function saysWhere(keys: readonly string[]): boolean {
  return keys.some(
    (key) =>
      LISTED.has(key) ||
      key.includes('freeplay.') ||
      METADATA_PREFIXES.some((prefix) => key.startsWith(prefix)) ||
      /^(gen_ai\.prompt\.variable\.|traceloop\.prompt\.template_variables)/.test(key) ||
      SESSION_KEY.test(key),
  );
}

/** Whether any of these keys is one of ours, wherever an emitter hung it. */
function saysFreeplay(keys: readonly string[]): boolean {
  return keys.some((key) => key.includes('freeplay.'));
}

function freeplay(attributes: Attributes, name: string): string | undefined {
  if (!ofKeys(attributes, saysFreeplay)) return undefined;
  for (const prefix of PREFIXES) {
    const value = getId(attributes, `${prefix}freeplay.${name}`);
    if (value !== undefined) return value;
  }
  return undefined;
}

function readApiStyle(attributes: Attributes): 'default' | 'batch' | undefined {
  const style = freeplay(attributes, 'api_style');
  return style === 'batch' || style === 'default' ? style : undefined;
}

function readSession(
  attributes: Attributes,
  bag: { readonly [key: string]: unknown } | undefined,
): Surroundings['session'] {
  const own = freeplay(attributes, 'session.id');
  if (own !== undefined) return { value: own, rank: 2 };
  const conversation = pickId(attributes, CONVERSATION_KEYS) ?? threadOf(attributes);
  if (conversation !== undefined) return { value: conversation, rank: 1 };
  const session = getId(attributes, 'session.id');
  if (session !== undefined) return { value: session, rank: 0 };
  const named = scalarText(member(bag, ...SESSION_NAMES)) ?? unlistedSession(attributes);
  return named === undefined ? undefined : { value: named, rank: 0 };
}

/** LangWatch's conversation; the same key is the conventions' thread of the operating system, which Java's agent puts on every span. */
function threadOf(attributes: Attributes): string | undefined {
  const id = getAttribute(attributes, 'thread.id');
  return typeof id === 'string' && getAttribute(attributes, 'thread.name') === undefined
    ? getId(attributes, 'thread.id')
    : undefined;
}

const SESSION_KEY =
  /(^|[._])(session[._]?id|sessionId|conversation[._]?id|conversationId|thread[._]id|threadId)$/;
/** Sessions of transports and databases, LangSmith's project, thread ids of the operating system. */
const OTHER_SESSION =
  /^(mcp|http|url|tls|db|net|network|rpc|messaging|browser|process|thread|langsmith\.trace|gen_ai\.(input|output))\b/;

/** Emitters nobody has listed yet still name their session by one of these words; a thread only where nothing is called a session. */
function unlistedSession(attributes: Attributes): string | undefined {
  return getId(attributes, ...ofKeys(attributes, unlistedKeys));
}

function unlistedKeys(keys: readonly string[]): readonly string[] {
  const named = keys.filter((key) => SESSION_KEY.test(key) && !OTHER_SESSION.test(key));
  const isThread = (key: string): boolean => /thread/i.test(key);
  return [...named.filter((key) => !isThread(key)), ...named.filter(isThread)];
}

function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' || isMask(value) ? undefined : value;
  return typeof value === 'number' ? String(value) : undefined;
}

/** `freeplay.input_variables` (a JSON object), else the template variables that dialects name. */
function readInputs(attributes: Attributes): { readonly [key: string]: LazyJson } | undefined {
  if (!ofKeys(attributes, saysInputs)) return undefined;
  for (const prefix of PREFIXES) {
    const object = asObject(jsonValue(getAttribute(attributes, `${prefix}freeplay.input_variables`)));
    if (object && Object.keys(object).length > 0) return safeCopy(object);
  }
  const bag = asObject(
    jsonValue(
      getAttribute(attributes, 'llm.prompt_template.variables') ??
        getAttribute(attributes, 'traceloop.prompt.template_variables') ??
        getAttribute(attributes, 'langwatch.prompt.variables'),
    ),
  );
  if (bag && Object.keys(bag).length > 0) return safeCopy(bag);
  const variables: { [key: string]: LazyJson } = {};
  for (const prefix of ['gen_ai.prompt.variable.', 'traceloop.prompt.template_variables.']) {
    for (const key of Object.keys(attributes)) {
      if (key.startsWith(prefix) && key.length > prefix.length && !isForbiddenKey(key.slice(prefix.length)))
        variables[key.slice(prefix.length)] = attributes[key] as LazyJson;
    }
  }
  return Object.keys(variables).length > 0 ? variables : undefined;
}

function saysInputs(keys: readonly string[]): boolean {
  return keys.some((key) => /freeplay\.input_variables$|prompt/.test(key));
}

function safeCopy(object: { readonly [key: string]: unknown }): { readonly [key: string]: LazyJson } {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !isForbiddenKey(key))) as {
    [key: string]: LazyJson;
  };
}

interface Collected {
  readonly scalars: { [key: string]: Scalar };
  /** The `metadata` attribute as an object, for ids that hide in it. */
  readonly bag: { readonly [key: string]: unknown } | undefined;
}

function collectMetadata(attributes: Attributes): Collected {
  const scalars: { [key: string]: Scalar } = {};
  const { bagKeys, entries, tags } = ofKeys(attributes, metadataKeys);
  const raw = bagKeys
    .map((key) => getAttribute(attributes, key))
    .find((value) => value !== undefined && value !== null);
  const bag = raw === undefined ? undefined : asObject(jsonValue(raw));
  for (const { key, name } of entries) addMetadata(scalars, name, unquoted(key, attributes[key]));
  for (const [key, value] of Object.entries(bag ?? {})) addMetadata(scalars, key, value);
  for (const key of tags) {
    const list = toStringArray(getAttribute(attributes, key));
    if (list && !Object.hasOwn(scalars, 'tags')) scalars.tags = JSON.stringify(list);
  }
  return { scalars, bag };
}

/** Langfuse for Python writes every value as JSON, texts too. */
function unquoted(key: string, value: unknown): unknown {
  const isQuoted = typeof value === 'string' && key.startsWith('langfuse.') && /^".*"$/s.test(value);
  return isQuoted ? jsonValue(value) : value;
}

function metadataKeys(keys: readonly string[]): {
  readonly bagKeys: readonly string[];
  readonly entries: readonly { readonly key: string; readonly name: string }[];
  readonly tags: readonly string[];
} {
  return {
    bagKeys: ['metadata', 'langfuse.observation.metadata'].filter((key) => keys.includes(key)),
    entries: keys.flatMap((key) => {
      const prefix = METADATA_PREFIXES.find((one) => key.startsWith(one) && key.length > one.length);
      return prefix === undefined ? [] : [{ key, name: key.slice(prefix.length) }];
    }),
    tags: TAG_KEYS.filter((key) => keys.includes(key)),
  };
}

/** Scalars only: nested values flatten with dots, lists become JSON text; keys that hold credentials are never forwarded. */
export function addMetadata(
  into: { [key: string]: Scalar },
  key: string,
  value: unknown,
  depth: number = 0,
): void {
  if (
    Object.keys(into).length >= MAX_METADATA ||
    isForbiddenKey(key) ||
    SECRET_KEY.test(key) ||
    BOOKKEEPING.test(key)
  )
    return;
  if (Object.hasOwn(into, key)) return;
  if (typeof value === 'string') {
    if (value !== '') into[key] = value.slice(0, MAX_METADATA_TEXT);
  } else if (typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) {
    into[key] = value;
  } else if (asArray(value)) {
    into[key] = toJsonString(value).slice(0, MAX_METADATA_TEXT);
  } else if (isObject(value)) {
    if (depth >= 4) into[key] = toJsonString(value).slice(0, MAX_METADATA_TEXT);
    else
      for (const [name, item] of Object.entries(value)) addMetadata(into, `${key}.${name}`, item, depth + 1);
  }
}

/** `freeplay.eval.<name>`: a number or a boolean. */
export function readEvalAttributes(attributes: Attributes): EvalResults | undefined {
  const named = ofKeys(attributes, evalKeys);
  if (named.length === 0) return undefined;
  const found: { [name: string]: number | boolean } = {};
  for (const { key, name } of named) {
    const value = evalValue(attributes[key]);
    if (value !== undefined) found[name] = value;
  }
  return Object.keys(found).length > 0 ? found : undefined;
}

function evalKeys(keys: readonly string[]): readonly { readonly key: string; readonly name: string }[] {
  return keys.flatMap((key) => {
    const match =
      /^(?:ai\.telemetry\.metadata\.|ai\.settings\.context\.|metadata\.)?freeplay\.eval\.(.+)$/.exec(key);
    const name = match?.[1];
    return name === undefined || isForbiddenKey(name) ? [] : [{ key, name }];
  });
}

/** `gen_ai.evaluation.result` events, on the span or as log records: name, score or label. */
export function readEvalEvents(
  events: readonly { readonly name: string; readonly attributes: Attributes }[],
): EvalResults | undefined {
  const found: { [name: string]: number | boolean } = {};
  for (const event of events) {
    if (event.name !== 'gen_ai.evaluation.result') continue;
    const name = getString(event.attributes, 'gen_ai.evaluation.name');
    if (name === undefined || isForbiddenKey(name)) continue;
    const score = toNumber(getAttribute(event.attributes, 'gen_ai.evaluation.score.value'));
    const label = getString(event.attributes, 'gen_ai.evaluation.score.label');
    const value =
      score ??
      evalValue(
        label === undefined
          ? undefined
          : label.toLowerCase() === 'pass'
            ? true
            : label.toLowerCase() === 'fail'
              ? false
              : label,
      );
    if (value !== undefined) found[name] = value;
  }
  return Object.keys(found).length > 0 ? found : undefined;
}

function evalValue(value: unknown): number | boolean | undefined {
  return toBoolean(value) ?? toNumber(value);
}
