/** Two completions beside each other: what they were asked with, what they were told, what they gave and took. */
import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { formatCount, formatDuration } from '../../local/summary.ts';
import type { RecordView } from '../../local/view-types.ts';
import { usePlace } from '../data/place.ts';
import { useView } from '../data/view.ts';
import { timingOf, usageOf } from '../model/call-facts.ts';
import { compareFacts, compareMessages, type MessageRow, type PlacedMessage } from '../model/compare.ts';
import { exactTime } from '../model/format.ts';
import { diffLines } from '../model/line-diff.ts';
import { Crumbs } from '../parts/crumbs.tsx';
import { Notice, Problem, Waiting } from '../parts/notice.tsx';
import { ScrollX } from '../parts/scroll-x.tsx';
import { LongText, showSegments, Words } from '../parts/text.tsx';
import { titleOf } from './record.tsx';
import { changes } from './session.tsx';

export function CompareView(): VNode {
  const { query } = usePlace();
  const [a, b] = [query.get('a')?.toLowerCase(), query.get('b')?.toLowerCase()];
  const left = useView<RecordView>(a ? `completions/${a}` : undefined, changes('records', a));
  const right = useView<RecordView>(b ? `completions/${b}` : undefined, changes('records', b));
  if (!a || !b)
    return (
      <Notice title="Nothing to compare yet.">
        <p>
          Pick two in the list of <a href="/completions">completions</a>.
        </p>
      </Notice>
    );
  const error = left.error ?? right.error;
  if (error) return <Problem error={error} what="completion" />;
  if (!left.data || !right.data) return <Waiting />;
  return <Comparison a={left.data} b={right.data} />;
}

function Comparison({ a, b }: { a: RecordView; b: RecordView }): VNode {
  const facts = useMemo(() => [...figures(a, b), ...compareFacts(a.body, b.body)], [a.body, b.body]);
  const rows = useMemo(() => compareMessages(a.body, b.body), [a.body, b.body]);
  const [onlyDifferent, setOnlyDifferent] = useState(true);
  const shown = onlyDifferent ? facts.filter(({ differs }) => differs) : facts;
  const hidden = facts.length - facts.filter(({ differs }) => differs).length;
  return (
    <>
      <Crumbs crumbs={[{ label: 'Completions', href: '/completions' }]} here="Compare" />
      <div class="head">
        <h1 tabIndex={-1}>Compare two completions</h1>
        <label class="check">
          <input
            type="checkbox"
            checked={onlyDifferent}
            onChange={(event) => setOnlyDifferent(event.currentTarget.checked)}
          />
          Only what differs
        </label>
      </div>
      <ScrollX class="card" label="Facts of both">
        <table class="table compare-facts">
          <thead>
            <tr>
              <td />
              <th scope="col">
                <a href={`/completions/${a.id}`}>
                  <span class="side side-a">A</span> <Words text={titleOf(a)} />
                </a>
              </th>
              <th scope="col">
                <a href={`/completions/${b.id}`}>
                  <span class="side side-b">B</span> <Words text={titleOf(b)} />
                </a>
              </th>
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row.name} class={row.differs ? 'differs' : ''}>
                <th scope="row">
                  <Words text={row.name} />
                </th>
                <td>
                  <FactCell text={row.a} />
                </td>
                <td>
                  <FactCell text={row.b} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {onlyDifferent && hidden > 0 && (
          <p class="muted small list-end">{hidden} more are the same on both sides.</p>
        )}
      </ScrollX>
      <ol class="compare-messages" aria-label="Messages of both">
        {rows.map((row) => (
          <MessagePair key={`${row.a?.index} ${row.b?.index}`} row={row} />
        ))}
      </ol>
    </>
  );
}

function FactCell({ text }: { text: string | undefined }): VNode {
  if (text === undefined) return <span class="muted">–</span>;
  return text.length > 300 ? <LongText text={text} /> : <Words text={text} />;
}

function figures(a: RecordView, b: RecordView) {
  const row = (name: string, of: (record: RecordView) => string | undefined) => {
    const [left, right] = [of(a), of(b)];
    return { name, a: left, b: right, differs: left !== right };
  };
  const count = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : formatCount(value);
  const time = (millis: number | undefined): string | undefined =>
    millis === undefined ? undefined : formatDuration(millis);
  return [
    row('start', ({ body }) => {
      const { start } = timingOf(body);
      return start === undefined ? undefined : exactTime(start);
    }),
    row('duration', ({ body }) => time(timingOf(body).durationMillis)),
    row('first token after', ({ body }) => time(timingOf(body).firstTokenMillis)),
    row('tokens read', ({ body }) => count(usageOf(body).prompt)),
    row('of it from the cache', ({ body }) => count(usageOf(body).cacheRead)),
    row('tokens written', ({ body }) => count(usageOf(body).completion)),
    row('of it reasoning', ({ body }) => count(usageOf(body).reasoning)),
  ].filter((one) => one.a !== undefined || one.b !== undefined);
}

function MessagePair({ row }: { row: MessageRow }): VNode {
  const [open, setOpen] = useState(!row.same);
  const { a, b } = row;
  if (row.same)
    return (
      <li class="pair same">
        <details open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary>
            <span class="role">{a?.role}</span>{' '}
            <span class="muted">
              {placeWords(row)} the same
              {!open && (
                <>
                  {': '}
                  <Words text={a?.text.slice(0, 160) ?? ''} />
                </>
              )}
            </span>
          </summary>
          {open && <LongText text={a?.text ?? ''} />}
        </details>
      </li>
    );
  const isEdit = a !== undefined && b !== undefined && a.role === b.role;
  return (
    <li class="pair">
      <Side message={a} other={isEdit ? b : undefined} side="a" />
      <Side message={b} other={isEdit ? a : undefined} side="b" />
    </li>
  );
}

function placeWords({ a, b }: MessageRow): string {
  if (a?.index === b?.index) return `#${(a?.index ?? 0) + 1}`;
  return `#${(a?.index ?? 0) + 1} and #${(b?.index ?? 0) + 1}`;
}

interface SideProps {
  readonly message: PlacedMessage | undefined;
  readonly other: PlacedMessage | undefined;
  readonly side: 'a' | 'b';
}

function Side({ message, other, side }: SideProps): VNode {
  const letter = <span class={`side side-${side}`}>{side.toUpperCase()}</span>;
  if (!message)
    return (
      <div class="pair-side none">
        {letter} <span class="muted">no such message</span>
      </div>
    );
  return (
    <div class="pair-side">
      <p class="pair-head">
        {letter} <span class="role">{message.role}</span>{' '}
        <span class="message-index">#{message.index + 1}</span>
      </p>
      {other === undefined ? (
        <LongText text={message.text} />
      ) : (
        <Diff text={message.text} other={other.text} side={side} />
      )}
    </div>
  );
}

const MAX_DIFF_LINES = 2_000;

/** Of a text, the lines that the other has not are marked. */
function Diff({ text, other, side }: { text: string; other: string; side: 'a' | 'b' }): VNode {
  const changed = useMemo(
    () => (side === 'a' ? diffLines(text, other) : diffLines(other, text)),
    [text, other, side],
  );
  const mine = changed.flatMap((change) => {
    if (change.kind === 'same') return [{ line: change.a, isNew: false }];
    if (change.kind === 'removed') return side === 'a' ? [{ line: change.a, isNew: true }] : [];
    return side === 'b' ? [{ line: change.b, isNew: true }] : [];
  });
  if (mine.length > MAX_DIFF_LINES || text.length > 100_000) return <LongText text={text} />;
  return (
    <div class="pre diff" dir="auto">
      {mine.map(({ line, isNew }, index) =>
        isNew ? (
          <mark key={index} class={`changed-${side}`}>
            {showSegments(line)}
            {'\n'}
          </mark>
        ) : (
          <span key={index}>
            {showSegments(line)}
            {'\n'}
          </span>
        ),
      )}
    </div>
  );
}
