/** A trace as bars over time, in order of its tree. */
import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { formatDuration } from '../../local/summary.ts';
import type { TraceNodeRow, TraceView } from '../../local/view-types.ts';
import { type Bar, layOutWaterfall, type Tick, visibleRows, type WaterfallRow } from '../model/waterfall.ts';
import { Duration, Failed, KindIcon, Tokens } from './figures.tsx';
import { Words } from './text.tsx';

const PAGE = 300;
/** Deeper trees stop moving to the right. */
const MAX_INDENT = 12;

export function hrefOf({ kind, id }: TraceNodeRow): string | undefined {
  if (kind === 'missing') return undefined;
  return kind === 'completion' ? `/completions/${id}` : `/records/${id}`;
}

export function Waterfall({ trace, current }: { trace: TraceView; current?: string }): VNode {
  const layout = useMemo(() => layOutWaterfall(trace.nodes), [trace.nodes]);
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [shown, setShown] = useState(PAGE);
  const rows = visibleRows(layout.rows, closed);
  function toggle(id: string): void {
    const next = new Set(closed);
    if (!next.delete(id)) next.add(id);
    setClosed(next);
  }
  return (
    <div class="waterfall">
      <div class="waterfall-head" aria-hidden="true">
        <span>Step</span>
        <Axis ticks={layout.ticks} />
        <span class="waterfall-tokens">Tokens</span>
      </div>
      <ul class="rows" aria-label="Steps of the trace, in order of the tree">
        {rows.slice(0, shown).map((row) => (
          <Row
            key={row.node.id}
            row={row}
            ticks={layout.ticks}
            isClosed={closed.has(row.node.id)}
            isCurrent={row.node.id === current}
            onToggle={() => toggle(row.node.id)}
          />
        ))}
      </ul>
      {shown < rows.length && (
        <button type="button" class="show-more" onClick={() => setShown(shown + PAGE * 3)}>
          Show more steps <span class="muted">{(rows.length - shown).toLocaleString('en-US')} left</span>
        </button>
      )}
      {trace.nodesAreMore && (
        <p class="list-end muted">
          These are the first {trace.nodes.length.toLocaleString('en-US')} steps; there are more.
        </p>
      )}
    </div>
  );
}

function Axis({ ticks }: { ticks: readonly Tick[] }): VNode {
  return (
    <span class="axis">
      {ticks.map(({ left, millis }) => (
        <span key={millis} class={left > 92 ? 'tick last' : 'tick'} style={{ left: `${left}%` }}>
          {millis === 0 ? '0' : formatDuration(millis)}
        </span>
      ))}
    </span>
  );
}

/** Beside the bar where there is room, else upon it. */
function labelPlace({ left, width }: Bar): 'after' | 'before' | 'inside' {
  if (left + width <= 84) return 'after';
  return left >= 16 ? 'before' : 'inside';
}

function labelStyle(bar: Bar): { left: string } | { right: string } {
  const place = labelPlace(bar);
  if (place === 'after') return { left: `${bar.left + bar.width}%` };
  return { right: place === 'before' ? `${100 - bar.left}%` : `${100 - bar.left - bar.width}%` };
}

interface RowProps {
  readonly row: WaterfallRow;
  readonly ticks: readonly Tick[];
  readonly isClosed: boolean;
  readonly isCurrent: boolean;
  onToggle(): void;
}

function Row({ row: { node, bar, childCount }, ticks, isClosed, isCurrent, onToggle }: RowProps): VNode {
  const href = hrefOf(node);
  const words = node.output !== '' ? node.output : node.input;
  const content = (
    <>
      <span class="step">
        <KindIcon kind={node.kind} failed={node.failed} />
        <span class="step-words">
          <span class="step-name">
            <Words text={node.name} />
            {node.failed && <Failed />}
          </span>
          {words !== '' && (
            <span class="step-preview">
              <Words text={words} />
            </span>
          )}
        </span>
      </span>
      <span class="track">
        {ticks.map(({ left, millis }) => (
          <i key={millis} style={{ left: `${left}%` }} />
        ))}
        {bar && (
          <span
            class={`bar bar-${node.failed ? 'failed' : node.kind}`}
            style={{ left: `${bar.left}%`, width: `${bar.width}%` }}
          />
        )}
        {bar && (
          <span class={`bar-label ${labelPlace(bar)}`} style={labelStyle(bar)}>
            <Duration millis={node.durationMillis} />
          </span>
        )}
      </span>
      <span class="waterfall-tokens">
        <Tokens {...node} />
      </span>
    </>
  );
  return (
    <li class={isCurrent ? 'current' : ''} style={{ '--depth': Math.min(node.depth, MAX_INDENT) }}>
      {childCount > 0 ? (
        <button
          type="button"
          class="fold"
          aria-expanded={!isClosed}
          aria-label={`${isClosed ? 'Unfold' : 'Fold'} the ${childCount} below`}
          onClick={onToggle}
        />
      ) : null}
      {href === undefined ? (
        <span class="row">{content}</span>
      ) : (
        <a href={href} class="row" data-row {...(isCurrent ? { 'aria-current': 'true' } : {})}>
          {content}
        </a>
      )}
    </li>
  );
}
