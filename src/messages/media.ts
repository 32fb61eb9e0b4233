import type { Media, Modality, Part } from '../completion/completion.ts';
import {
  asArray,
  asNumber,
  asObject,
  asText,
  isObject,
  isText,
  type JsonObject,
  member,
  type Text,
  textMember,
} from '../json/json-text.ts';

/** Inline binary written as a list of numbers is read up to this many bytes (the API's own limit is lower). */
const MAX_BYTES = 32 * 1024 * 1024;

/** Media by its MIME type where there is one: the stated modality is often wrong (every PDF is an "image" in one emitter). */
export function modalityOf(mimeType: string | undefined, stated: string | undefined): Modality {
  const word = (mimeType ?? stated ?? '').toLowerCase();
  if (/^(image|audio|video)\b/.test(word)) return word.match(/^(image|audio|video)/)?.[0] as Modality;
  if (mimeType !== undefined) return 'file';
  if (/image|picture|photo/.test(word)) return 'image';
  if (/audio|voice/.test(word)) return 'audio';
  if (/video/.test(word)) return 'video';
  return 'file';
}

/** A media part of any dialect. `type` is the part's type in snake case. */
export function readMedia(part: JsonObject, type: string): Part {
  const source = asObject(member(part, 'source'));
  const nested =
    asObject(
      member(
        part,
        'image_url',
        'input_audio',
        'file',
        'image',
        'audio',
        'video',
        'document',
        'inlineData',
        'inline_data',
        'fileData',
        'file_data',
        'media',
        'blob',
        'url',
        'content',
      ),
    ) ?? undefined;
  const where = [part, source, nested, asObject(member(nested, 'source'))].filter(isObject);
  const mimeType =
    firstText(where, [
      'mime_type',
      'mimeType',
      'mediaType',
      'media_type',
      'contentType',
      'content_type',
      'image_mimetype',
    ]) ?? formatType(where, type);
  const stated = textMember(part, 'modality') ?? type;
  const filename = firstText(where, ['filename', 'file_name', 'fileName', 'name', 'title', 'displayName']);
  const fileId = firstText(where, ['file_id', 'fileId']);
  const payload = firstPayload(where);
  const media = { ...payload, filename, fileId };
  const mime = payload.mimeType ?? mimeType;
  return { kind: 'media', media: { ...media, mimeType: mime, modality: modalityOf(mime, stated) } };
}

function firstText(objects: readonly JsonObject[], keys: readonly string[]): string | undefined {
  for (const object of objects) {
    const text = textMember(object, ...keys);
    if (text !== undefined) return text;
  }
  return undefined;
}

const PAYLOAD_KEYS = [
  'url',
  'uri',
  'image_url',
  'imageUrl',
  'fileUri',
  'file_uri',
  'file_url',
  'data',
  'content',
  'file_data',
  'image',
  'file',
  'audio',
  'bytes',
  'binary_content',
  'base64',
  'b64_json',
];

function firstPayload(objects: readonly JsonObject[]): { data?: Text; url?: Text; mimeType?: string } {
  for (const object of objects) {
    for (const key of PAYLOAD_KEYS) {
      const found = readPayload(member(object, key));
      if (found) return found;
    }
  }
  return {};
}

/** Langfuse uploads media on its own and leaves a reference in their place. */
const LANGFUSE_MEDIA = /^@@@langfuseMedia:type=([^|@]+)\|id=[^@]+@@@$/;

/** What is left of a data URI whose bytes an emitter does not log. */
const SHORTENED = /^data:(image|audio|video|application)\/(?:\.{3}|…)$/i;

/** base64, a data URI, a URL, a reference, or bytes written as JSON. */
function readPayload(value: unknown): { data?: Text; url?: Text; mimeType?: string } | undefined {
  if (isText(value)) {
    const text = asText(value) ?? '';
    if (text === '') return undefined;
    const dataUri = /^data:([^;,]*)(?:;[^,]*)?,/.exec(text.slice(0, 256));
    if (dataUri)
      return { data: text.slice(dataUri[0].length), ...(dataUri[1] ? { mimeType: dataUri[1] } : {}) };
    // Bytes left out of a log: `data:image/...`
    const kind = SHORTENED.exec(text)?.[1];
    if (kind) return { mimeType: `${kind.toLowerCase()}/*` };
    const kept = LANGFUSE_MEDIA.exec(text);
    if (kept?.[1]) return { url: value, mimeType: kept[1] };
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { url: value };
    // Bytes as Python prints them, which LlamaIndex's images are: base64 already.
    if (text.startsWith("b'") && text.endsWith("'")) return readPayload(text.slice(2, -1));
    return isBase64(text) ? { data: value } : undefined;
  }
  if (ArrayBuffer.isView(value))
    return { data: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  const bytes = readBytes(value);
  return bytes ? { data: bytes } : undefined;
}

/** What emitters put in the place of bytes (`<replaced>`, `[REDACTED]`, `__REDACTED__`) is no content. */
function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/_=\s-]+$/.test(text.slice(0, 256)) && !/^__\w+__$/.test(text);
}

/** `{type: "Buffer", data: [137, 80, …]}` and `{"0": 137, "1": 80, …}`, as JSON.stringify writes binary. */
function readBytes(value: unknown): string | undefined {
  const object = asObject(value);
  if (!object) return undefined;
  const list = textMember(object, 'type') === 'Buffer' ? asArray(member(object, 'data')) : undefined;
  const numbers = list ?? (asNumber(member(object, '0')) === undefined ? undefined : Object.values(object));
  if (!numbers || numbers.length > MAX_BYTES || !numbers.every((n) => typeof n === 'number'))
    return undefined;
  return Buffer.from(numbers as number[]).toString('base64');
}

/** `format: "png"` beside image bytes, `format: "wav"` beside audio. */
function formatType(objects: readonly JsonObject[], type: string): string | undefined {
  const format = firstText(objects, ['format']);
  if (format === undefined) return undefined;
  if (format.includes('/')) return format;
  if (/audio/.test(type)) return `audio/${format}`;
  if (/image/.test(type) || /^(png|jpe?g|gif|webp)$/.test(format)) return `image/${format}`;
  return /^pdf$/.test(format) ? 'application/pdf' : undefined;
}

/** Whether anything but the kind of media is known. */
export function hasPayload(media: Media): boolean {
  return (
    media.data !== undefined ||
    media.url !== undefined ||
    media.fileId !== undefined ||
    media.filename !== undefined
  );
}
