/** Which project a span goes to: by attributes of the span, of what encloses it in the request, and of its resource. */
import type { Attributes, SpanData } from '../span/span-data.ts';

export interface Route {
  /** All of these have to be there, with this value. Without any the route takes what no other takes. */
  readonly when: readonly (readonly [key: string, value: string])[];
}

/** @returns for each span the route it takes, `undefined` if none does; in the order of the spans */
export function chooseRoutes<R extends Route>(
  spans: readonly SpanData[],
  routes: readonly R[],
): readonly (R | undefined)[] {
  const fallback = routes.find(({ when }) => when.length === 0);
  const conditional = routes.filter(({ when }) => when.length > 0);
  if (conditional.length === 0) return spans.map(() => fallback);
  const byResource = new Map<Attributes, R | undefined>();
  const own = spans.map((span) => conditional.find(({ when }) => isMatch(when, span)));
  const index = new Map(spans.map((span, i) => [keyOf(span.traceId, span.spanId), i]));

  function ofResource(span: SpanData): R | undefined {
    if (!byResource.has(span.resource))
      byResource.set(
        span.resource,
        conditional.find(({ when }) => isResourceMatch(when, span.resource)),
      );
    return byResource.get(span.resource);
  }

  return spans.map((span, i) => own[i] ?? inherited(span) ?? ofResource(span) ?? fallback);

  /** What an app says of a request on its outermost span holds for what the request did. */
  function inherited(span: SpanData): R | undefined {
    let at: SpanData | undefined = span;
    // No longer than there are spans: broken telemetry has rings.
    for (let steps = 0; at?.parentSpanId !== undefined && steps < spans.length; steps++) {
      const parent: number | undefined = index.get(keyOf(at.traceId, at.parentSpanId));
      if (parent === undefined) return undefined;
      if (own[parent]) return own[parent];
      at = spans[parent];
    }
    return undefined;
  }
}

function keyOf(traceId: string, spanId: string): string {
  return `${traceId}/${spanId}`;
}

/** At least one of the attributes is the span's own: what the resource says alone is asked last. */
function isMatch(when: Route['when'], { attributes, resource }: SpanData): boolean {
  return (
    when.some(([key]) => Object.hasOwn(attributes, key)) &&
    when.every(([key, value]) => isValue(attributes, key, value) || isValue(resource, key, value))
  );
}

function isResourceMatch(when: Route['when'], resource: Attributes): boolean {
  return when.every(([key, value]) => isValue(resource, key, value));
}

function isValue(attributes: Attributes, key: string, value: string): boolean {
  if (!Object.hasOwn(attributes, key)) return false;
  const found = attributes[key];
  return typeof found === 'object' ? false : String(found) === value;
}
