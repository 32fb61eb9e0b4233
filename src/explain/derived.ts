/** Fields that come from no attribute: from what the span is, from its place in the trace, from the options, or by default. */
import type { RecordPlan } from '../lineage/plan.ts';
import type { FreeplayRecord } from '../record/record.ts';
import type { Leaf } from './leaves.ts';

const COMPLETION: readonly (readonly [pattern: RegExp, from: string])[] = [
  [/^completion_id$|^call_info\.provider_info\.otel\.span_id$/, '<span id>'],
  [/^trace_info\.trace_id$|^call_info\.provider_info\.otel\.trace_id$/, '<trace id>'],
  [/^call_info\.provider_info\.otel\.parent_span_id$/, '<parent span id>'],
  [/^call_info\.provider_info\.otel\.scope\./, '<scope>'],
  [/^call_info\.provider_info\.otel\.url$/, '<option traceUrlTemplate>'],
  [/^call_info\.start_time$/, '<span start>'],
  [/^call_info\.end_time$/, '<span end>'],
  [/^parent_id$/, '<place in the trace>'],
  [/^call_info\.provider_info\.content_captured$/, '<no content in the span>'],
];

const TRACE: readonly (readonly [pattern: RegExp, from: string])[] = [
  [/^start_time$/, '<span start>'],
  [/^end_time$/, '<span end>'],
  [/^parent_id$/, '<place in the trace>'],
  [/^custom_metadata\.otel\.trace_id$/, '<trace id>'],
  [/^custom_metadata\.otel\.span_id$/, '<span id>'],
  [/^custom_metadata\.otel\.url$/, '<option traceUrlTemplate>'],
];

/** `undefined` for what should have come from an attribute. */
export function derivedFrom(
  kind: FreeplayRecord['kind'],
  role: RecordPlan['role'],
  leaf: Leaf,
): string | undefined {
  const path = leaf.path.join('.');
  const known = (kind === 'completion' ? COMPLETION : TRACE).find(([pattern]) => pattern.test(path))?.[1];
  if (known !== undefined) return known;
  if (kind === 'trace' && leaf.value === null && (path === 'input' || path === 'output'))
    return '<nothing in the spans>';
  return role === 'placeholder' ? '<named by other records>' : undefined;
}

/** Where no attribute can be left out to tell: because the record would go with it, or because none said it. */
export function byDefault(
  kind: FreeplayRecord['kind'],
  field: string,
  recognisedBy: readonly string[],
  reply: readonly string[],
): readonly string[] {
  if (field === 'kind' && kind === 'trace') return recognisedBy.length > 0 ? recognisedBy : ['<dialect>'];
  if (field === 'call_info.provider') return ['<dialect>'];
  if (field === 'call_info.provider_info.finish_reasons') return reply;
  if (field.startsWith('messages.')) return ['<no content in the span>'];
  return [];
}
