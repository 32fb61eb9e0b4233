/** Records on their way out, built as late as can be. */
import type { Message, Reading } from '../completion/completion.ts';
import { JsonText } from '../json/json-text.ts';
import type { RecordPlan } from '../lineage/plan.ts';
import { missingContent } from './build-completion.ts';
import { addressOf, buildRecord, type RecordOptions, writeRecord } from './build-record.ts';
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
    pieces: () => [text],
    text: () => text,
    record: () => record,
  };
}

/** A record that is built when it is sent. */
export function planOutgoing(plan: RecordPlan, options: RecordOptions): OutgoingRecord {
  const { kind, id, sessionId, projectId, path } = addressOf(plan, options);
  const hint = kind === 'completion' && plan.reading ? missingContent(plan.reading) : undefined;
  let written: readonly string[] | undefined;
  // The same text at every try, whatever a mask answers the second time.
  const pieces = () => (written ??= writeRecord(plan, options));
  return {
    kind,
    id,
    sessionId,
    projectId,
    path,
    bytes: Math.min(roughBytes(plan), options.maxRecordBytes),
    hint: hint === undefined ? undefined : { missing: hint, from: plan.span?.scope.name || plan.dialect },
    twins: plan.twin && [plan.span?.scope.name ?? '', plan.twin.scope],
    pieces,
    text: () => pieces().join(''),
    record: () => buildRecord(plan, options),
  };
}

/** Of everything in a body but messages, tools and values: ids, times, usage, parameters, metadata. */
const FRAME_BYTES = 1_024;
const MESSAGE_BYTES = 64;

/** About the size of the body, without building it. */
function roughBytes({ reading, rolledInput, rolledOutput }: RecordPlan): number {
  if (!reading) return FRAME_BYTES + (rolledInput || rolledOutput ? 2 * FRAME_BYTES : 0);
  return (
    FRAME_BYTES +
    messageBytes(reading.instructions) +
    messageBytes(reading.input) +
    messageBytes(reading.choices) +
    (reading.tools?.length ?? 0) * FRAME_BYTES +
    valueBytes(reading.inputValue, 0) +
    valueBytes(reading.outputValue, 0)
  );
}

function messageBytes(messages: Reading['input']): number {
  if (!messages || messages.length === 0) return 0;
  const source = sourceOf(messages[0]);
  // Walked messages are slices of one text, and nearly all of it.
  if (source !== undefined && source === sourceOf(messages.at(-1))) return source.length;
  let bytes = 0;
  for (const message of messages) {
    bytes += MESSAGE_BYTES;
    for (const part of message.parts) bytes += partBytes(part);
    for (const call of message.toolCalls)
      bytes +=
        MESSAGE_BYTES +
        (typeof call.arguments === 'string' ? call.arguments.length : sliceBytes(call.arguments));
  }
  return bytes;
}

function sourceOf(message: Message | undefined): string | undefined {
  const part = message?.parts[0];
  return part?.kind === 'text' && part.text instanceof JsonText ? part.text.source : undefined;
}

function partBytes(part: Message['parts'][number]): number {
  if (part.kind === 'media') return MESSAGE_BYTES + valueBytes(part.media.data ?? part.media.url, 0);
  return valueBytes(part.kind === 'other' ? part.value : part.text, 0);
}

function sliceBytes(text: JsonText): number {
  return text.end - text.start;
}

const MAX_DEPTH = 8;

function valueBytes(value: unknown, depth: number): number {
  if (typeof value === 'string') return value.length;
  if (value instanceof JsonText) return sliceBytes(value);
  if (typeof value !== 'object' || value === null || depth > MAX_DEPTH) return 8;
  let bytes = 2;
  for (const [key, item] of Object.entries(value)) bytes += key.length + 4 + valueBytes(item, depth + 1);
  return bytes;
}
