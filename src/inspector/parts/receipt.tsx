/** How a record came about, as the exporter tells it in development mode. */
import type { VNode } from 'preact';
import type { JsonValue } from '../../json/json-text.ts';
import type { RecordView } from '../../local/view-types.ts';
import { objectOf } from '../model/values.ts';
import { Group, Section } from './facts.tsx';
import { Notice } from './notice.tsx';
import { Code, ScrollX } from './scroll-x.tsx';
import { Words } from './text.tsx';

export function DevelopmentHint({ what }: { what: string }): VNode {
  return (
    <Notice title={`${what} came with this record.`}>
      <p>
        In development mode the exporter sends along how each record came about: which attribute each field
        came from, what was cut, masked or missing, and the spans themselves. It does so to a server on this
        machine and nowhere else.
      </p>
      <Code text="FREEPLAY_DEVELOPMENT=true" />
      <p class="muted">
        or{' '}
        <code>
          new FreeplaySpanProcessor({'{'} development: true {'}'})
        </code>
      </p>
    </Notice>
  );
}

export function ReceiptView({ record }: { record: RecordView }): VNode {
  const { receipt, sources } = record;
  if (receipt === undefined) return <DevelopmentHint what="No receipt" />;
  const { dialect, scope, traceId, spanIds, parentSpanId } = receipt;
  const remarks: readonly RemarksProps[] = [
    { title: 'Missing', tone: 'warn', lines: receipt.missing },
    { title: 'Cut', tone: 'warn', lines: receipt.cut },
    { title: 'Masked', tone: 'warn', lines: receipt.masked },
    { title: 'Guessed', tone: 'warn', lines: receipt.guessed },
    { title: 'Merged', tone: 'plain', lines: receipt.merged },
    { title: 'Rules applied', tone: 'plain', lines: receipt.rules },
  ];
  const shown = remarks.filter(({ lines }) => lines.length > 0);
  const clean = remarks.filter(({ lines, tone }) => lines.length === 0 && tone === 'warn');
  return (
    <div class="receipt">
      {shown.map(({ title, lines, tone }) => (
        <Remarks key={title} title={title} lines={lines} tone={tone} />
      ))}
      {clean.length > 0 && (
        <section class="remarks">
          <h2>All well</h2>
          <p>Nothing was {listed(clean.map(({ title }) => title.toLowerCase()))}.</p>
        </section>
      )}
      <Group
        title="Read from"
        entries={[
          ['dialect', dialect],
          ...(scope.name === ''
            ? []
            : [['instrumentation', [scope.name, scope.version].filter(Boolean).join(' ')] as const]),
          ['trace', traceId],
          ['spans', spanIds.join(', ')],
          ...(parentSpanId === undefined ? [] : [['parent span', parentSpanId] as const]),
        ]}
      />
      {sources && Object.keys(sources).length > 0 && (
        <Section title="Where each field came from">
          <ScrollX label="Where each field came from">
            <table class="table sources">
              <thead>
                <tr>
                  <th scope="col">Field</th>
                  <th scope="col">Attributes</th>
                  <th scope="col">Value there</th>
                </tr>
              </thead>
              <tbody>
                {Object.entries(sources).map(([field, attributes]) => (
                  <tr key={field}>
                    <th scope="row" class="mono">
                      <Words text={field} />
                    </th>
                    <td class="mono">
                      {attributes.map((attribute) => (
                        <div key={attribute}>
                          <Words text={attribute} />
                        </div>
                      ))}
                    </td>
                    <td class="mono muted">
                      {attributes.map((attribute) => (
                        <div key={attribute} class="clip">
                          <Words text={valueAt(attribute, record.spans ?? [])} />
                        </div>
                      ))}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </ScrollX>
        </Section>
      )}
    </div>
  );
}

/** First words of what an attribute holds; no-break space where it is none of the span's own. */
function valueAt(name: string, spans: readonly JsonValue[]): string {
  for (const span of spans) {
    const { attributes, resource } = objectOf(span);
    const value = objectOf(attributes)[name] ?? objectOf(resource)[name.replace(/^resource:/, '')];
    if (value === undefined) continue;
    return (typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 200);
  }
  return '\u00a0';
}

interface RemarksProps {
  readonly title: string;
  readonly tone: 'warn' | 'plain';
  readonly lines: readonly string[];
}

function Remarks({ title, tone, lines }: RemarksProps): VNode {
  return (
    <section class={`remarks remarks-${tone}`}>
      <h2>{title}</h2>
      <ul>
        {lines.map((line, index) => (
          <li key={index}>
            <Words text={line} />
          </li>
        ))}
      </ul>
    </section>
  );
}

/** `missing, cut or masked` */
function listed(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
