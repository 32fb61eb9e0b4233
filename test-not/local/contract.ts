import { z } from 'zod';

/**
 * The contract of the completions API as schemas: pure, no I/O.
 *
 * Two readings of it, since a server may complete what a client left out but an exporter has no reason to leave it out:
 * `accepted` is what the server takes (`messages`, or a trace's `input` and `output`, are all that is required; every tool
 * schema dialect of the API); `emitted` is what this package's own records must be on top (ids, group, model call and times
 * always there, lower-case ids, OpenAI tool schemas, times with milliseconds). Both reject the same wrong values.
 *
 * What has nothing to say is left out: `{}`, `[]` and null are rejected, but for the scalars that the contract types
 * "or null": `parent_id`, `completion_id` (accepted only), `prompt_info.environment`, a trace's `kind`, `name`, `agent_name`.
 */
export type Profile = 'accepted' | 'emitted';

/** Deeper bodies are refused before anything recursive touches them. */
export const MAX_BODY_DEPTH = 200;

const MAX_COMPLAINTS = 3;
const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUID_V4_ANY_CASE = new RegExp(UUID_V4.source, 'i');
const ISO_MILLIS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const ISO_DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/i;

/** Is it a UUID of version 4, in either case? */
export function isUuidV4(value: string): boolean {
  return UUID_V4_ANY_CASE.test(value);
}

/**
 * What is wrong with the body of a completion record, field by field, or `undefined`.
 *
 * @example
 * validateCompletion({ messages: [] }) // "messages: must hold at least one item; completion_id: is missing; …"
 */
export function validateCompletion(body: unknown, profile: Profile = 'emitted'): string | undefined {
  return complaint(SCHEMAS[profile].completion, body);
}

/** What is wrong with the body of a trace record, or `undefined`. */
export function validateTrace(body: unknown, profile: Profile = 'emitted'): string | undefined {
  return complaint(SCHEMAS[profile].trace, body);
}

/** What is wrong with `{new_messages, eval_results}`, or `undefined`. */
export function validateCompletionUpdate(body: unknown): string | undefined {
  return complaint(COMPLETION_UPDATE, body);
}

/** What is wrong with the body of a metadata patch, or `undefined`. */
export function validateMetadata(body: unknown): string | undefined {
  return complaint(SCALARS, body);
}

/** What is wrong with the body of a feedback request, or `undefined`. */
export function validateFeedback(body: unknown): string | undefined {
  return complaint(SCALARS, body);
}

const object = z.custom<Record<string, unknown>>(isPlainObject, {
  error: (issue) => expected('an object', issue.input),
});
const filledObject = object.refine((value) => Object.keys(value).length > 0, 'is {}: leave it out');
const filledText = z.string().min(1, 'is empty');
const evalResult = z.custom<number | boolean>(
  (value) => typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)),
  { error: (issue) => expected('a number or boolean', issue.input) },
);
const scalar = z.custom<string | number | boolean>(
  (value) => typeof value === 'string' || typeof value === 'boolean' || Number.isFinite(value),
  { error: (issue) => expected('a string, number or boolean', issue.input) },
);
const tokens = z.int('expected a whole number').min(0, 'is negative');
const unixSeconds = z
  .number()
  .refine((value) => value > 1e8 && value < 1e11, 'expected Unix seconds, not milliseconds or another unit');

const SCALARS = mapOf(scalar);
const EVAL_RESULTS = mapOf(evalResult);

/** A non-empty map whose values all satisfy one schema. Own code, since zod's record drops a `__proto__` key unseen. */
function mapOf(value: z.ZodType): z.ZodType {
  return filledObject.superRefine((map, context) => {
    for (const [key, item] of Object.entries(map)) forward(value, item, [key], context);
  });
}

/** A non-empty list. */
function listOf(item: z.ZodType): z.ZodType {
  return z.array(item).min(1, 'must hold at least one item');
}

/** The schema that fits the kind of value at hand: one clear complaint where a union would give every branch's. */
function choose(pick: (value: unknown) => z.ZodType | string): z.ZodType {
  return z.unknown().superRefine((value, context) => {
    const picked = pick(value);
    if (typeof picked === 'string') context.addIssue({ code: 'custom', message: picked });
    else forward(picked, value, [], context);
  });
}

function forward(
  schema: z.ZodType,
  value: unknown,
  path: readonly PropertyKey[],
  context: z.core.$RefinementCtx<unknown>,
): void {
  for (const issue of schema.safeParse(value).error?.issues ?? []) {
    context.addIssue({ ...issue, path: [...path, ...issue.path] } as Exclude<
      Parameters<typeof context.addIssue>[0],
      string
    >);
  }
}

/** A strict object that also says `is {}: leave it out`. */
function filled<T extends z.core.$ZodLooseShape>(shape: T): z.ZodObject<T, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'invalid_type' ? expected('an object', issue.input) : undefined),
  });
}

function orLeftOut(schema: z.ZodType): z.ZodType {
  return choose((value) =>
    isPlainObject(value) && Object.keys(value).length === 0 ? 'is {}: leave it out' : schema,
  );
}

function uuid(profile: Profile): z.ZodType {
  const pattern = profile === 'emitted' ? UUID_V4 : UUID_V4_ANY_CASE;
  return z.custom((value) => typeof value === 'string' && pattern.test(value), {
    error: (issue) =>
      issue.input === undefined ? 'is missing' : `${shown(issue.input)} is not a valid uuid4 format.`,
  });
}

const functionCall = filled({ name: filledText, arguments: z.string() });

const toolCall = filled({
  id: filledText.optional(),
  type: z.literal('function', 'expected "function"'),
  function: functionCall,
});

const PARTS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['text', filled({ type: z.string(), text: z.string() })],
  ['refusal', filled({ type: z.string(), refusal: z.string() })],
  [
    'image_url',
    filled({ type: z.string(), image_url: filled({ url: filledText, detail: z.string().optional() }) }),
  ],
  [
    'input_audio',
    filled({ type: z.string(), input_audio: filled({ data: z.string(), format: z.string().optional() }) }),
  ],
  [
    'file',
    filled({
      type: z.string(),
      file: orLeftOut(
        filled({
          file_data: z.string().optional(),
          file_id: z.string().optional(),
          filename: z.string().optional(),
        }),
      ),
    }),
  ],
]);

const part = choose((value) => {
  if (!isPlainObject(value)) return expected('an object', value);
  const schema = typeof value.type === 'string' ? PARTS.get(value.type) : undefined;
  return schema ?? `content part of unknown type ${shown(value.type)}`;
});

const contentParts = listOf(part);

const content = choose((value) => {
  if (Array.isArray(value)) return contentParts;
  return typeof value === 'string' || value === null || value === undefined
    ? z.unknown()
    : expected('a string, null or a list of content parts', value);
}).optional();

const message = filled({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool'], {
    error: (issue) =>
      issue.input === undefined
        ? 'is missing'
        : `${shown(issue.input)} is not system, developer, user, assistant or tool`,
  }),
  content,
  name: z.string().optional(),
  tool_calls: listOf(toolCall).optional(),
  tool_call_id: filledText.optional(),
  refusal: z.string().optional(),
  reasoning_content: z.string().optional(),
  function_call: functionCall.optional(),
}).superRefine((value, context) => {
  const say = (field: string, text: string): void =>
    context.addIssue({ code: 'custom', path: [field], message: text });
  if (value.content === undefined && value.tool_calls === undefined) say('content', 'is missing');
  for (const field of ['tool_calls', 'reasoning_content', 'refusal', 'function_call'] as const) {
    if (value[field] !== undefined && value.role !== 'assistant')
      say(field, `does not belong on a ${value.role} message`);
  }
  if (value.tool_call_id !== undefined && value.role !== 'tool') {
    say('tool_call_id', `does not belong on a ${value.role} message`);
  }
});

const messages = listOf(message);

const COMPLETION_UPDATE = orLeftOut(
  filled({ new_messages: messages.optional(), eval_results: EVAL_RESULTS.optional() }),
);

const openAiTool = filled({
  type: z.literal('function', 'expected "function"'),
  function: filled({
    name: filledText,
    description: z.string().optional(),
    parameters: object.optional(),
    strict: z.boolean().optional(),
  }),
});

const namedTool = z.looseObject({
  name: filledText,
  description: z.string().optional(),
  parameters: object.optional(),
  input_schema: object.optional(),
});

const vertexDeclarations = listOf(namedTool);

const vertexTool = z.looseObject({
  functionDeclarations: vertexDeclarations.optional(),
  function_declarations: vertexDeclarations.optional(),
});

/** OpenAI, OpenAI Responses and Anthropic (a name at the top), Vertex (a list of declarations). */
const anyTool = choose((value) => {
  if (!isPlainObject(value)) return expected('an object', value);
  if (Object.hasOwn(value, 'function')) return openAiTool;
  if (Object.hasOwn(value, 'functionDeclarations') || Object.hasOwn(value, 'function_declarations'))
    return vertexTool;
  return Object.hasOwn(value, 'name') ? namedTool : openAiTool;
});

const mediaInput = choose((value) => {
  if (!isPlainObject(value)) return expected('an object', value);
  if (value.type === 'url') return filled({ type: z.string(), url: filledText });
  if (value.type === 'base64')
    return filled({ type: z.string(), data: z.string(), content_type: filledText });
  return `${shown(value.type)} is not a type of media: url or base64`;
});

const callTimes = (value: unknown): value is { start_time: number; end_time: number } =>
  isPlainObject(value) && typeof value.start_time === 'number' && typeof value.end_time === 'number';

function callInfo(profile: Profile): z.ZodType {
  const time = profile === 'emitted' ? unixSeconds : unixSeconds.optional();
  return orLeftOut(
    filled({
      start_time: time,
      end_time: time,
      model: filledText.optional(),
      provider: filledText.optional(),
      provider_info: filledObject.optional(),
      llm_parameters: filledObject.optional(),
      usage: orLeftOut(
        filled({ prompt_tokens: tokens.optional(), completion_tokens: tokens.optional() }),
      ).optional(),
      api_style: z.enum(['default', 'batch'], 'expected "default" or "batch"').optional(),
    }).superRefine((value, context) => {
      if (callTimes(value) && value.end_time < value.start_time) {
        context.addIssue({ code: 'custom', path: ['end_time'], message: 'is before start_time' });
      }
    }),
  );
}

function isoTime(profile: Profile): z.ZodType {
  const pattern = profile === 'emitted' ? ISO_MILLIS : ISO_DATE_TIME;
  return z.custom(
    (value) => typeof value === 'string' && pattern.test(value) && !Number.isNaN(Date.parse(value)),
    {
      error: (issue) =>
        `${shown(issue.input)} is not an ISO 8601 date-time${profile === 'emitted' ? ' with milliseconds and Z' : ''}`,
    },
  );
}

function completionSchema(profile: Profile): z.ZodType {
  const id = uuid(profile);
  const emitted = profile === 'emitted';
  const traceInfo = orLeftOut(filled({ trace_id: id }));
  const call = callInfo(profile);
  return filled({
    messages,
    inputs: filledObject.optional(),
    media_inputs: mapOf(mediaInput).optional(),
    tool_schema: listOf(emitted ? openAiTool : anyTool).optional(),
    output_schema: filledObject.optional(),
    session_info: orLeftOut(filled({ custom_metadata: SCALARS.optional() })).optional(),
    trace_info: emitted ? traceInfo : traceInfo.optional(),
    parent_id: id.nullable().optional(),
    prompt_info: orLeftOut(
      filled({ prompt_template_version_id: id, environment: z.string().nullable().optional() }),
    ).optional(),
    call_info: emitted ? call : call.optional(),
    test_run_info: testRunInfo(id).optional(),
    eval_results: EVAL_RESULTS.optional(),
    response_info: orLeftOut(
      filled({
        function_call_response: orLeftOut(filled({ name: z.string(), arguments: z.string() })).optional(),
      }),
    ).optional(),
    completion_id: emitted ? id : id.nullable().optional(),
  });
}

function traceSchema(profile: Profile): z.ZodType {
  const id = uuid(profile);
  return filled({
    input: present,
    output: present,
    parent_id: id.nullable().optional(),
    kind: z.enum(['tool', 'agent'], 'expected "tool", "agent" or null').nullable().optional(),
    name: z.string().nullable().optional(),
    agent_name: z.string().nullable().optional(),
    custom_metadata: SCALARS.optional(),
    eval_results: EVAL_RESULTS.optional(),
    test_run_info: testRunInfo(id).optional(),
    start_time: isoTime(profile).optional(),
    end_time: isoTime(profile).optional(),
  });
}

function testRunInfo(id: z.ZodType): z.ZodType {
  return orLeftOut(filled({ test_run_id: id, test_case_id: id }));
}

/** Any JSON, null included, but there. */
const present = z.custom((value) => value !== undefined, 'is missing');

const SCHEMAS: Readonly<Record<Profile, { readonly completion: z.ZodType; readonly trace: z.ZodType }>> = {
  accepted: { completion: completionSchema('accepted'), trace: traceSchema('accepted') },
  emitted: { completion: completionSchema('emitted'), trace: traceSchema('emitted') },
};

function complaint(schema: z.ZodType, body: unknown): string | undefined {
  const unfit = notJson(body);
  if (unfit !== undefined) return unfit;
  if (!isPlainObject(body)) return `the body: ${expected('an object', body)}`;
  const issues = schema.safeParse(body).error?.issues ?? [];
  if (issues.length === 0) return undefined;
  const texts = issues.flatMap((issue) => issueTexts(issue));
  const more = texts.length - MAX_COMPLAINTS;
  return texts.slice(0, MAX_COMPLAINTS).join('; ') + (more > 0 ? `; and ${more} more` : '');
}

function issueTexts(issue: z.core.$ZodIssue): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${fieldPath([...issue.path, key])}: unknown field`);
  }
  const where = issue.path.length === 0 ? 'the body' : fieldPath(issue.path);
  return [`${where}: ${issueText(issue)}`];
}

function issueText(issue: z.core.$ZodIssue): string {
  // The input is not kept on an issue, but zod's own text for a wrong type ends with what it got.
  if (/received undefined$/.test(issue.message)) return 'is missing';
  if (/received null$/.test(issue.message)) return 'is null: leave it out';
  return issue.message.replace(/^Invalid input: /, '');
}

/** `messages[2].tool_calls[0].function.arguments` */
function fieldPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[\w$-]{1,100}$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`;
    else text += `[${shown(String(key))}]`;
  }
  return text;
}

function expected(what: string, value: unknown): string {
  return `expected ${what}, received ${value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value}`;
}

/** A client's value, quoted and bounded. */
function shown(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object';
  const text = typeof value === 'string' ? JSON.stringify(value.slice(0, 60)) : String(value);
  return typeof value === 'string' && value.length > 60 ? `${text}…` : text;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * The first thing in the body that JSON cannot carry, or too much nesting; looks without recursion.
 * A parsed request can only be too deep; a body that was built in memory can hold anything.
 */
function notJson(body: unknown): string | undefined {
  const pending: { value: unknown; path: PathLink | undefined; depth: number }[] = [
    { value: body, path: undefined, depth: 1 },
  ];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { value, path, depth } = next;
    const kind = typeof value;
    if (
      kind === 'bigint' ||
      kind === 'function' ||
      kind === 'symbol' ||
      (kind === 'number' && !Number.isFinite(value))
    ) {
      return `${linkedPath(path)}: is not JSON: ${kind === 'number' ? String(value) : kind}`;
    }
    if (kind !== 'object' || value === null) continue;
    if (depth > MAX_BODY_DEPTH)
      return `${linkedPath(path, 8)}: is nested deeper than ${MAX_BODY_DEPTH} levels`;
    if (Array.isArray(value)) {
      for (let i = value.length - 1; i >= 0; i--) {
        const item: unknown = value[i];
        if (item === undefined)
          return `${linkedPath({ key: i, parent: path })}: is not JSON: undefined in a list`;
        if (typeof item !== 'string')
          pending.push({ value: item, path: { key: i, parent: path }, depth: depth + 1 });
      }
    } else if (isPlainObject(value)) {
      for (const key of Object.keys(value)) {
        const item = value[key];
        if (typeof item !== 'string')
          pending.push({ value: item, path: { key, parent: path }, depth: depth + 1 });
      }
    } else {
      return `${linkedPath(path)}: is not JSON: an object of a class`;
    }
  }
  return undefined;
}

interface PathLink {
  readonly key: string | number;
  readonly parent: PathLink | undefined;
}

function linkedPath(link: PathLink | undefined, atMost: number = Number.POSITIVE_INFINITY): string {
  const keys: (string | number)[] = [];
  for (let at = link; at !== undefined; at = at.parent) keys.unshift(at.key);
  if (keys.length === 0) return 'the body';
  return fieldPath(keys.slice(0, atMost)) + (keys.length > atMost ? '…' : '');
}
