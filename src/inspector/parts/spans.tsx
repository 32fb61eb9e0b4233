/** The spans a record was made from, as the exporter had them. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { JsonValue } from '../../json/json-text.ts';
import type { RecordView } from '../../local/view-types.ts';
import { entriesOf, listOf, objectOf, textOf } from '../model/values.ts';
import { Content } from './content.tsx';
import { JsonTree } from './json-tree.tsx';
import { DevelopmentHint } from './receipt.tsx';
import { LongText, Words } from './text.tsx';

export function SpansView({ record }: { record: RecordView }): VNode {
  const { spans } = record;
  if (spans === undefined || spans.length === 0) return <DevelopmentHint what="No span" />;
  return (
    <div class="spans">
      {spans.map((span, index) => (
        <SpanView key={index} value={span} />
      ))}
    </div>
  );
}

function SpanView({ value }: { value: JsonValue }): VNode {
  const [raw, setRaw] = useState(false);
  const span = objectOf(value);
  const scope = objectOf(span.scope);
  const events = listOf(span.events);
  const entries = entriesOf(span.attributes);
  return (
    <section class="span">
      <div class="span-head">
        <h2>
          <Words text={textOf(span.name) ?? 'unnamed span'} />
        </h2>
        <span class="muted mono small">
          <Words
            text={[textOf(scope.name), textOf(scope.version), textOf(span.spanId)]
              .filter(Boolean)
              .join(' · ')}
          />
        </span>
        <button type="button" class="button" aria-pressed={raw} onClick={() => setRaw(!raw)}>
          JSON
        </button>
      </div>
      {raw ? (
        <JsonTree value={value} />
      ) : (
        <>
          <h3>Attributes ({entries.length})</h3>
          <Attributes entries={entries} />
          {events.length > 0 && <h3>Events ({events.length})</h3>}
          {events.map((event, index) => {
            const { name, attributes, body } = objectOf(event);
            return (
              <div key={index} class="span-event">
                <p class="mono">
                  <Words text={textOf(name) ?? 'unnamed event'} />
                </p>
                <Attributes
                  entries={[
                    ...entriesOf(attributes),
                    ...(body === undefined ? [] : [['body', body] as const]),
                  ]}
                />
              </div>
            );
          })}
          {entriesOf(span.resource).length > 0 && <h3>Resource</h3>}
          <Attributes entries={entriesOf(span.resource)} />
        </>
      )}
    </section>
  );
}

function Attributes({ entries }: { entries: readonly (readonly [string, JsonValue])[] }): VNode | null {
  if (entries.length === 0) return null;
  return (
    <dl class="attributes">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt class="mono">
            <Words text={name} />
          </dt>
          <dd>
            {typeof value === 'string' ? (
              /^\s*[[{]/.test(value) ? (
                <Content text={value} />
              ) : (
                <LongText text={value} code />
              )
            ) : (
              <JsonTree value={value} />
            )}
          </dd>
        </div>
      ))}
    </dl>
  );
}
