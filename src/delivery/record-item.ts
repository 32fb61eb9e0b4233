import type { RecordBody } from '../record/record.ts';
import { shrinkBody } from '../record/shrink.ts';
import type { DeliveryItem } from './sender.ts';

/** A record of which delivery needs the text, and its body only if that has to shrink. */
export type RecordSource = Omit<DeliveryItem, 'body' | 'shrink'> & {
  text(): string;
  pieces?(): readonly string[];
};

/** As delivery takes it. */
export function toItem(
  source: RecordSource,
  body: () => RecordBody = () => JSON.parse(source.text()) as RecordBody,
): DeliveryItem {
  const { id, kind, projectId, path, bytes } = source;
  return {
    id,
    kind,
    projectId,
    path,
    bytes,
    body: () => source.pieces?.() ?? source.text(),
    shrink: (maxBytes) => {
      const shrunk = shrinkBody(body(), maxBytes);
      return shrunk.cut.length === 0 ? undefined : JSON.stringify(shrunk.body);
    },
  };
}
