import type { JsonValue } from '../json/json-text.ts';
import type { SpanData } from '../span/span-data.ts';
import type { StoredRecord } from './store.ts';

/** Field of a record's body → attributes it came from; `undefined` where that cannot be told. */
export type ExplainRecord = (
  record: Pick<StoredRecord, 'kind' | 'id' | 'project'>,
  spans: readonly JsonValue[],
) => Promise<Readonly<Record<string, readonly string[]>> | undefined>;

/** The page waits for it, and so does whoever records meanwhile: of spans, and of their JSON in all conversions together. */
const MAX_WORK = 2_000;
const MAX_CONVERTED_LENGTH = 20_000_000;

/** By converting the spans again and again, with one attribute less each time. */
export const explainRecord: ExplainRecord = async ({ kind, id, project }, spans) => {
  // Loaded only now: it is all of the conversion, and most servers never need it.
  const [{ explainSpans }, { readCapturedSpan }] = await Promise.all([
    import('../explain/explain.ts'),
    import('../explain/captured.ts'),
  ]);
  const length = JSON.stringify(spans).length;
  try {
    const read = spans.map(readCapturedSpan).filter((span): span is SpanData => span !== undefined);
    const explained = explainSpans(read, {
      projectId: project,
      maxWork: Math.min(MAX_WORK, Math.ceil(MAX_CONVERTED_LENGTH / length)),
    });
    return explained.find(({ record }) => record.kind === kind && record.id === id)?.sources;
  } catch {
    // Spans are what someone posted, of whatever shape.
    return undefined;
  }
};
