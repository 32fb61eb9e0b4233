import type { Media } from '../completion/completion.ts';
import { asText } from '../json/json-text.ts';
import { digestOfBase64 } from './media-digest.ts';

/** What of the content goes into a record. */
export interface ContentPolicy {
  /** False: structure only (design.md section 8). */
  readonly capture: boolean;
  /** Media to send, or a text to send in its place. */
  media(media: Media): Media | string;
}

/** `[image/png, 1234 bytes, sha256 0123456789abcdef]`: enough to find the original. */
export function mediaPlaceholder(media: Media): string {
  const type = media.mimeType ?? media.modality;
  const data = media.data === undefined ? undefined : asText(media.data);
  if (data === undefined) return `[${type}${media.url === undefined ? '' : `, ${asText(media.url) ?? ''}`}]`;
  const { bytes, sha256 } = digestOfBase64(data);
  return `[${type}, ${bytes} bytes, sha256 ${sha256}]`;
}
