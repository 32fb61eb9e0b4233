/**
 * The neutral middle form: what one GenAI span says, independent of the dialect it was written in and of the API it is sent to.
 * Every dialect reads into it, every record is built from it.
 */
import type { JsonText, LazyJson, Text } from '../json/json-text.ts';

/**
 * What a span reports. `inference` becomes a completion; `agent` and `workflow` a trace record; the middle ones a trace record
 * of kind `tool`; `other` is GenAI vocabulary around the work (a step, a node, a check) and at most a link in the tree.
 */
export type Operation =
  | 'inference'
  | 'agent'
  | 'workflow'
  | 'tool'
  | 'embedding'
  | 'retrieval'
  | 'rerank'
  | 'guardrail'
  | 'other';

export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool';

export type Modality = 'image' | 'audio' | 'video' | 'file';

/** Media by value (base64), by URL, or by an id the provider gave. All may be absent: then it was there, but not captured. */
export interface Media {
  readonly modality: Modality;
  readonly mimeType?: string | undefined;
  /** base64, without a `data:` prefix. */
  readonly data?: Text | undefined;
  readonly url?: Text | undefined;
  readonly fileId?: string | undefined;
  readonly filename?: string | undefined;
}

export type Part =
  | { readonly kind: 'text'; readonly text: Text }
  | { readonly kind: 'reasoning'; readonly text: Text }
  | { readonly kind: 'refusal'; readonly text: Text }
  | { readonly kind: 'media'; readonly media: Media }
  /** Content with no place in the API: kept as JSON text, so that nothing is lost silently. */
  | { readonly kind: 'other'; readonly value: LazyJson };

/** A call the model asked for. */
export interface ToolCall {
  readonly id: string | undefined;
  readonly name: string;
  /** JSON text of the arguments; a slice that is not a string literal is that JSON text itself. */
  readonly arguments: string | JsonText;
}

export interface Message {
  readonly role: Role;
  readonly name?: string | undefined;
  readonly parts: readonly Part[];
  readonly toolCalls: readonly ToolCall[];
  /** On `tool` messages: the call this is the result of. */
  readonly toolCallId?: string | undefined;
  /** On choices: why the model stopped, as reported. */
  readonly finishReason?: string | undefined;
  /** The message as it was captured, where that only names its calls or whose result it is. */
  readonly captured?: Message | undefined;
}

export interface ToolDefinition {
  readonly name: string;
  readonly description?: Text | undefined;
  /** JSON schema of the arguments. */
  readonly parameters?: LazyJson | undefined;
  /** OpenAI's strict mode, where the definition says so. */
  readonly strict?: boolean | undefined;
}

/** Token counts: totals as design.md section 6 wants them. Absent means not reported. */
export interface Usage {
  /** All tokens the model read, cached ones included. */
  readonly input?: number | undefined;
  /** All tokens the model wrote, reasoning included. */
  readonly output?: number | undefined;
  readonly cacheRead?: number | undefined;
  readonly cacheWrite?: number | undefined;
  readonly reasoning?: number | undefined;
}

export interface CallError {
  readonly type?: string | undefined;
  readonly message?: string | undefined;
  readonly stack?: string | undefined;
}

export type Scalar = string | number | boolean;

/** What a span says about its surroundings, and what everything below it inherits (nearest first). */
export interface Surroundings {
  /** Highest rank wins: 3 `withFreeplayContext`, 2 `freeplay.session.id`, 1 conversation or thread id, 0 `session.id`. */
  readonly session?: { readonly value: string; readonly rank: number } | undefined;
  readonly userId?: string | undefined;
  readonly metadata?: { readonly [key: string]: Scalar } | undefined;
  /** Prompt template variables. */
  readonly inputs?: { readonly [key: string]: LazyJson | undefined } | undefined;
  readonly promptTemplateVersionId?: string | undefined;
  readonly environment?: string | undefined;
  readonly testRunId?: string | undefined;
  readonly testCaseId?: string | undefined;
  readonly apiStyle?: 'default' | 'batch' | undefined;
  readonly projectId?: string | undefined;
  /** A record the span was told to hang under. */
  readonly parentId?: string | undefined;
}

export type EvalResults = { readonly [name: string]: number | boolean };

/** What one span says. */
export interface Reading {
  readonly operation: Operation;
  /**
   * An inference that stands for the call only if no inference is reported below it (a framework's own summary span). Around one
   * call it is a second report of it; around several it is this instead.
   */
  readonly yields?: 'agent' | 'workflow' | 'other' | undefined;
  /** When it began, where the span is only a mark at its end. */
  readonly startTime?: readonly [seconds: number, nanos: number] | undefined;
  /** Name of the step: tool, workflow or agent. Default: the span's name. */
  readonly name?: string | undefined;
  readonly agentName?: string | undefined;

  /** System instructions that the dialect keeps apart from the messages. */
  readonly instructions?: readonly Message[] | undefined;
  /** Messages in the order the model saw them. `undefined`: not captured. */
  readonly input?: readonly Message[] | undefined;
  /** The model's choices, the reply first. `undefined`: not captured. */
  readonly choices?: readonly Message[] | undefined;
  /** For trace records: what went in and came out, where that is not messages. */
  readonly inputValue?: LazyJson | undefined;
  readonly outputValue?: LazyJson | undefined;

  readonly tools?: readonly ToolDefinition[] | undefined;
  readonly outputSchema?: LazyJson | undefined;
  readonly parameters?: { readonly [key: string]: LazyJson | undefined } | undefined;
  readonly usage?: Usage | undefined;
  readonly provider?: string | undefined;
  readonly requestModel?: string | undefined;
  readonly responseModel?: string | undefined;
  readonly responseId?: string | undefined;
  readonly finishReasons?: readonly string[] | undefined;
  readonly serviceTier?: string | undefined;
  readonly serverAddress?: string | undefined;
  /** Seconds. */
  readonly timeToFirstToken?: number | undefined;
  readonly error?: CallError | undefined;
  readonly evalResults?: EvalResults | undefined;

  /** Tool executions: the id of the call they answer, and its arguments as JSON text. */
  readonly toolCallId?: string | undefined;
  readonly toolArguments?: string | JsonText | undefined;

  readonly surroundings?: Surroundings | undefined;
  /** Further facts for `provider_info`. */
  readonly extra?: { readonly [key: string]: LazyJson | undefined } | undefined;
  /** Which setting of this library turns message content on. */
  readonly captureSetting?: string | undefined;
  /** Remarks for the receipt. */
  readonly notes?: readonly Note[] | undefined;
}

/** A remark for the receipt: which list it belongs to and what is to be said. */
export interface Note {
  readonly kind: 'rule' | 'guessed' | 'cut' | 'missing';
  readonly text: string;
}

/** Whether a span limit cut JSON that this was read from. */
export function isCut({ notes }: Reading): boolean {
  return notes?.some(({ kind }) => kind === 'cut') ?? false;
}
