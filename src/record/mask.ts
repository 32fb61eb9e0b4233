import { isForbiddenKey, type JsonValue } from '../json/json-text.ts';
import { catchLateThrow } from '../late-throw.ts';
import type { RecordBody } from './record.ts';

/**
 * Looks at one string of the finished record and gives what to send in its place.
 *
 * @param value the string
 * @param path where it stands, e.g. `messages[2].content` or `call_info.provider_info.error.message`
 */
export type Mask = (value: string, path: string) => string;

/** Stands where a mask failed: the original never gets through. */
export const MASKED = '[masked]';

/** Ids, roles, types and times: what the API and the tree need as it is. Nothing here can hold what a person wrote. */
const STRUCTURAL =
  /^(completion_id|parent_id|trace_info\.trace_id|kind|start_time|end_time|prompt_info\.prompt_template_version_id|test_run_info\.\w+|messages\[\d+\]\.(role|tool_call_id|content\[\d+\]\.type|tool_calls\[\d+\]\.(id|type))|tool_schema\[\d+\]\.type|call_info\.(api_style|provider_info\.otel\.(trace_id|span_id|parent_span_id)))$/;

export interface Masked {
  readonly body: RecordBody;
  /** Paths of the strings that were changed. */
  readonly paths: readonly string[];
}

/** Every string of the body through every mask. The body given is not changed. */
export function maskBody(body: RecordBody, masks: readonly Mask[]): Masked {
  if (masks.length === 0) return { body, paths: [] };
  const paths: string[] = [];
  return { body: maskValue(body, '', masks, paths) as RecordBody, paths };
}

function maskValue(value: JsonValue, path: string, masks: readonly Mask[], paths: string[]): JsonValue {
  if (typeof value === 'string') {
    if (STRUCTURAL.test(path)) return value;
    const masked = maskText(value, path, masks);
    if (masked !== value) paths.push(path);
    return masked;
  }
  if (Array.isArray(value)) return value.map((item, i) => maskValue(item, `${path}[${i}]`, masks, paths));
  if (typeof value !== 'object' || value === null) return value;
  const copy: { [key: string]: JsonValue } = {};
  for (const [key, item] of Object.entries(value)) {
    if (item !== undefined && !isForbiddenKey(key))
      copy[key] = maskValue(item, path === '' ? key : `${path}.${key}`, masks, paths);
  }
  return copy;
}

function maskText(value: string, path: string, masks: readonly Mask[]): string {
  let text: unknown = value;
  for (const mask of masks) {
    try {
      text = mask(text as string, path);
    } catch {
      return MASKED;
    }
    if (typeof text !== 'string') {
      catchLateThrow(text);
      return MASKED;
    }
  }
  return text === '' && NEVER_EMPTY.test(path) ? MASKED : (text as string);
}

/** Names that the API wants to be there: a mask that takes all of one leaves a mark. */
const NEVER_EMPTY =
  /^(call_info\.(model|provider)|response_info\.function_call_response\.name|messages\[\d+\]\.tool_calls\[\d+\]\.function\.name|messages\[\d+\]\.content\[\d+\]\.image_url\.url|tool_schema\[\d+\]\.function\.name)$/;

/** Credentials by their shape: vendor prefixes, bearer headers, JWTs, private keys, `password=…`. */
const SECRETS: readonly RegExp[] = [
  /\bsk-[A-Za-z0-9_-]{16,}/g,
  /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/g,
  /\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{20,}\b/g,
  /\bgithub_pat_[A-Za-z0-9_]{20,}\b/g,
  /\bglpat-[A-Za-z0-9_-]{16,}/g,
  /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/g,
  /\bAIza[A-Za-z0-9_-]{30,}/g,
  /\b(?:rk|pk|sk)_(?:live|test)_[A-Za-z0-9]{16,}\b/g,
  /\bnpm_[A-Za-z0-9]{30,}\b/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}/g,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g,
  /(?<=\bBearer\s)[A-Za-z0-9._~+/-]{16,}=*/gi,
  /(?<=\b(?:password|passwd|secret|api[_-]?key|access[_-]?token|auth[_-]?token)(?:\\?["'])?\s{0,4}[:=]\s{0,4}(?:\\?["'])?)[^\s"'\\,;&}]{6,}/gi,
];

/** The preset `"secrets"`. */
export const secretsMask: Mask = (value) =>
  SECRETS.reduce((text, pattern) => text.replace(pattern, '[secret]'), value);
