import { hasContent } from '../lineage/merge.ts';
import type { ReadSpan } from '../lineage/plan.ts';
import type { RecordOptions } from './build-record.ts';
import { spanRecordId } from './ids.ts';
import { maskBody } from './mask.ts';
import type { FreeplayRecord } from './record.ts';
import { renderMessage } from './render.ts';
import { shrinkBody } from './shrink.ts';

/** The reply of a call that was recorded while it ran, appended to its completion (completions-api.md section 3). */
export function buildUpdate(read: ReadSpan, options: RecordOptions): FreeplayRecord | undefined {
  const { span, reading, dialect } = read;
  const reply = reading?.choices?.[0];
  if (!reply || !hasContent([reply])) return undefined;
  const id = spanRecordId(span.traceId, span.spanId);
  const masked = maskBody(
    { new_messages: [renderMessage({ ...reply, role: 'assistant' }, options.policy)] },
    options.mask,
  );
  const shrunk = shrinkBody(masked.body, options.maxRecordBytes);
  return {
    kind: 'completion',
    id,
    sessionId: '',
    path: `/v2/projects/${encodeURIComponent(projectOf(read, options))}/completions/${id}`,
    body: shrunk.body,
    receipt: {
      dialect,
      scope: {
        name: span.scope.name,
        ...(span.scope.version === undefined ? {} : { version: span.scope.version }),
      },
      traceId: span.traceId,
      spanIds: [span.spanId],
      rules: ['the span ended after it had been recorded as incomplete: its reply is appended'],
      guessed: [],
      merged: [],
      cut: [...shrunk.cut],
      masked: masked.paths,
      missing: [],
    },
  };
}

function projectOf({ reading }: ReadSpan, options: RecordOptions): string {
  const wanted = reading?.surroundings?.projectId;
  return wanted !== undefined && options.projects.includes(wanted) ? wanted : options.projectId;
}
