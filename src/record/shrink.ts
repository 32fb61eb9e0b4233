/** A body over the limit is cut where it hurts least, stays valid, and says what was cut (design.md section 9). */
import type { JsonValue } from '../json/json-text.ts';
import { digestOfBase64, digestOfText } from './media-digest.ts';
import type { RecordBody } from './record.ts';

export interface Shrunk {
  readonly body: RecordBody;
  readonly cut: readonly string[];
}

/** UTF-8 size of the JSON text. */
export function jsonBytes(value: JsonValue): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/** `\u001f` is the longest that JSON makes of one UTF-16 unit. */
const MAX_UNIT_BYTES = 6;
/** Longer is no number, no literal, and no pair of quotes or brackets with its comma. */
const MAX_ATOM_BYTES = 32;

/** No less than `jsonBytes`, and much cheaper: nearly every body is so far from the limit that it need not be written to be measured. */
function mostBytes(value: JsonValue, enough: number): number {
  if (typeof value === 'string') return value.length * MAX_UNIT_BYTES + MAX_ATOM_BYTES;
  let bytes = MAX_ATOM_BYTES;
  if (typeof value !== 'object' || value === null) return bytes;
  for (const key of Object.keys(value)) {
    bytes +=
      key.length * MAX_UNIT_BYTES + mostBytes((value as { [key: string]: JsonValue })[key] ?? null, enough);
    if (bytes > enough) return bytes;
  }
  return bytes;
}

/** A text in the body that may be cut, and how. */
interface Leaf {
  readonly path: string;
  readonly bytes: number;
  readonly rank: number;
  readonly media: boolean;
  get(): string;
  set(value: string): void;
}

/** Ids and kinds, which have to stay what they are. */
const STRUCTURAL =
  /^(completion_id|parent_id|trace_info\.|kind$|start_time|end_time|prompt_info\.|test_run_info\.|call_info\.provider_info\.otel\.|.*\.(role|type|id|tool_call_id)$)/;

/** Shorter texts are left alone: cutting them gains nothing. */
const MIN_TEXT = 256;
/** What is kept of a text at least, half from each end. */
const KEEP_BYTES = 128;

/** Room for the note that says what was cut. */
const NOTE_BYTES = 320;

/**
 * Media first, each to a placeholder with type, size and hash; then long texts from the middle, oldest first, system and the last two
 * messages last. If all that is not enough, the oldest messages go, then what is not messages, then every text is cut short.
 *
 * @param maxBytes of the JSON text in UTF-8; at least 1,024
 */
export function shrinkBody(body: RecordBody, maxBytes: number): Shrunk {
  if (mostBytes(body, maxBytes) <= maxBytes || jsonBytes(body) <= maxBytes) return { body, cut: [] };
  const copy = structuredClone(body);
  const cut: string[] = [];
  const target = maxBytes - NOTE_BYTES;
  shortenLeaves(copy, target, MIN_TEXT, cut);
  if (jsonBytes(copy) > target) dropMessages(copy, target, cut);
  if (jsonBytes(copy) > target) dropExtras(copy, target, cut);
  if (jsonBytes(copy) > target) shortenLeaves(copy, target, MIN_TEXT >> 2, cut);
  if (jsonBytes(copy) > target) keepBareBones(copy, target, cut);
  markCut(copy, cut);
  return { body: copy, cut };
}

function shortenLeaves(body: RecordBody, maxBytes: number, minBytes: number, cut: string[]): void {
  let size = jsonBytes(body);
  for (const leaf of collectLeaves(body, minBytes)) {
    if (size <= maxBytes) return;
    const before = leaf.get();
    const bytes = Buffer.byteLength(before);
    const written = jsonBytes(before);
    const excess = size - maxBytes;
    const shorten = (keep: number) => cutLeaf(leaf, before, Math.max(minBytes >> 1, Math.floor(keep) - 64));
    // As if its quotes and line feeds, which take two bytes each, were evenly spread; else as if what is cut had none.
    let after = shorten(bytes - (excess * bytes) / written);
    if (written - jsonBytes(after) < excess) after = shorten(bytes - excess);
    const gain = written - jsonBytes(after);
    if (gain <= 0) continue;
    leaf.set(after);
    size -= gain;
    cut.push(`${leaf.path}: ${leaf.media ? 'media' : 'text'} of ${bytes} bytes`);
  }
}

function cutLeaf(leaf: Leaf, text: string, keepBytes: number): string {
  if (leaf.media) return mediaText(text);
  // Tool arguments stay JSON: what is left of them is a text inside.
  return leaf.path.endsWith('.arguments')
    ? JSON.stringify({ cut: cutMiddle(text, keepBytes >> 1) })
    : cutMiddle(text, keepBytes);
}

function collectLeaves(body: RecordBody, minBytes: number): readonly Leaf[] {
  const leaves: Leaf[] = [];
  const messages = Array.isArray(body.messages) ? body.messages.length : 0;
  const visit = (
    holder: { [key: string]: JsonValue } | JsonValue[],
    key: string | number,
    path: string,
  ): void => {
    const value = (holder as { [key: string | number]: JsonValue })[key] as JsonValue;
    if (typeof value === 'string') {
      const bytes = Buffer.byteLength(value);
      if (bytes < minBytes || STRUCTURAL.test(path)) return;
      leaves.push({
        path,
        bytes,
        rank: rankOf(path, messages, body),
        media: isMedia(path, value),
        get: () => (holder as { [key: string | number]: JsonValue })[key] as string,
        set: (text) => {
          (holder as { [key: string | number]: JsonValue })[key] = text;
        },
      });
    } else if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) visit(value as JsonValue[], i, `${path}[${i}]`);
    } else if (typeof value === 'object' && value !== null) {
      for (const name of Object.keys(value))
        visit(value as { [key: string]: JsonValue }, name, path === '' ? name : `${path}.${name}`);
    }
  };
  for (const key of Object.keys(body)) visit(body, key, key);
  return leaves.sort((a, b) => Number(b.media) - Number(a.media) || a.rank - b.rank);
}

/** A data URI is whole or gone: half of it is nothing. */
function isMedia(path: string, value: string): boolean {
  return (
    /\.(image_url\.url|input_audio\.data|file\.file_data)$/.test(path) ||
    /^data:[^,]{0,100};base64,/.test(value.slice(0, 128))
  );
}

/** Low goes first. */
function rankOf(path: string, messages: number, body: RecordBody): number {
  const index = /^messages\[(\d+)\]/.exec(path)?.[1];
  if (index === undefined) return /^(call_info\.provider_info|inputs|output|input)\b/.test(path) ? 0 : 2;
  const at = Number(index);
  const message = (body.messages as JsonValue[])[at] as { role?: JsonValue } | undefined;
  return at >= messages - 2 || message?.role === 'system' || message?.role === 'developer' ? 3 : 1;
}

function mediaText(value: string): string {
  const type = /^data:([^;,]+)/.exec(value.slice(0, 128))?.[1] ?? 'media';
  const data = value.slice(value.indexOf(',') + 1);
  // Without a scheme it is an audio part's own base64.
  const isBase64 = !/^[a-z][a-z+.-]*:/i.test(value) || /^data:[^,]{0,100};base64,/.test(value.slice(0, 128));
  const { bytes, sha256 } = isBase64 ? digestOfBase64(data) : digestOfText(data);
  return `data:${type},cut:${bytes}-bytes:sha256-${sha256}`;
}

/**
 * The text without its middle, cut on code-point boundaries.
 *
 * @param keepBytes about how many bytes to keep
 */
export function cutMiddle(text: string, keepBytes: number): string {
  const bytes = Buffer.byteLength(text);
  if (bytes <= keepBytes) return text;
  const half = Math.max(0, Math.floor((text.length * keepBytes) / bytes / 2));
  let head = text.slice(0, half);
  let tail = text.slice(text.length - half);
  if (/[\uD800-\uDBFF]$/.test(head)) head = head.slice(0, -1);
  if (/^[\uDC00-\uDFFF]/.test(tail)) tail = tail.slice(1);
  const gone = bytes - Buffer.byteLength(head) - Buffer.byteLength(tail);
  return `${head}… [${gone} bytes cut] …${tail}`;
}

function dropMessages(body: RecordBody, maxBytes: number, cut: string[]): void {
  const messages = body.messages;
  if (!Array.isArray(messages)) return;
  const list = messages as JsonValue[];
  let dropped = 0;
  let size = jsonBytes(body);
  for (let i = 0; i < list.length - 2 && size > maxBytes; ) {
    const role = (list[i] as { role?: JsonValue }).role;
    if (role === 'system' || role === 'developer') {
      i++;
      continue;
    }
    size -= jsonBytes(list[i] as JsonValue) + 1;
    list.splice(i, 1);
    dropped++;
  }
  if (dropped > 0) cut.push(`messages: the ${dropped} oldest`);
}

/** Last resort for bodies whose bulk is not in messages. */
const EXTRAS = [
  'tool_schema',
  'inputs',
  'output_schema',
  'media_inputs',
  'session_info',
  'custom_metadata',
] as const;

function dropExtras(body: RecordBody, maxBytes: number, cut: string[]): void {
  for (const key of EXTRAS) {
    if (jsonBytes(body) <= maxBytes) return;
    if (body[key] === undefined) continue;
    cut.push(`${key}: ${jsonBytes(body[key] as JsonValue)} bytes`);
    delete body[key];
  }
  for (const key of ['input', 'output'] as const) {
    if (jsonBytes(body) <= maxBytes || body[key] === undefined || typeof body[key] !== 'object') continue;
    cut.push(`${key}: ${jsonBytes(body[key] as JsonValue)} bytes`);
    body[key] = cutMiddle(JSON.stringify(body[key]), Math.max(KEEP_BYTES, maxBytes >> 2));
  }
}

/** Nothing else helped: what the call was and the last message, if need be without its content. */
function keepBareBones(body: RecordBody, maxBytes: number, cut: string[]): void {
  const call = body.call_info as { [key: string]: JsonValue } | undefined;
  if (call) {
    const info = call.provider_info as { [key: string]: JsonValue } | undefined;
    delete call.llm_parameters;
    if (info) call.provider_info = info.otel === undefined ? {} : { otel: info.otel };
    if (Object.keys(call.provider_info ?? {}).length === 0) delete call.provider_info;
    cut.push('call_info: parameters and provider_info');
  }
  delete body.response_info;
  const messages = body.messages;
  if (Array.isArray(messages) && messages.length > 1) body.messages = [messages.at(-1) as JsonValue];
  if (jsonBytes(body) > maxBytes && Array.isArray(body.messages)) {
    body.messages = [{ role: 'assistant', content: null }];
    cut.push('messages: all');
  }
  for (const key of ['input', 'output'] as const) {
    if (jsonBytes(body) > maxBytes && body[key] !== undefined) body[key] = null;
  }
  if (jsonBytes(body) > maxBytes) delete body.eval_results;
}

/** The body says what it lost: in `provider_info` of a completion, in the metadata of a trace. */
function markCut(body: RecordBody, cut: readonly string[]): void {
  if (cut.length === 0) return;
  const note = cutMiddle(cut.slice(0, 20).join('; '), NOTE_BYTES - 96);
  const call = body.call_info as { [key: string]: JsonValue } | undefined;
  if (call) {
    call.provider_info = { ...(call.provider_info as object | undefined), cut: note };
  } else {
    body.custom_metadata = { ...(body.custom_metadata as object | undefined), cut: note };
  }
}
