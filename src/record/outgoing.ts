import type { FreeplayRecord, OutgoingRecord } from './record.ts';

/** A record that is built already. */
export function toOutgoing(record: FreeplayRecord): OutgoingRecord {
  const text = JSON.stringify(record.body);
  return {
    kind: record.kind,
    id: record.id,
    sessionId: record.sessionId,
    path: record.path,
    projectId: decodeURIComponent(/^\/v2\/projects\/([^/]+)\//.exec(record.path)?.[1] ?? ''),
    bytes: Buffer.byteLength(text),
    text: () => text,
    record: () => record,
  };
}
