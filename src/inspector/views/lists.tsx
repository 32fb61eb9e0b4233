/** The lists, with what they share: filters, totals, and what is shown when nothing is there. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Charts, CompletionRow, ServerStatus, SessionRow } from '../../local/view-types.ts';
import { adjust, go, usePlace } from '../data/place.ts';
import { useNow } from '../data/use-now.ts';
import { type ListView, useList, useView } from '../data/view.ts';
import { hasFilter, serverFilter, withQuery } from '../model/filter.ts';
import { plural } from '../model/format.ts';
import { visibleText } from '../model/visible-text.ts';
import { Ago, Duration, Failed, Tokens } from '../parts/figures.tsx';
import { FilterBar } from '../parts/filter-bar.tsx';
import { Notice, Waiting } from '../parts/notice.tsx';
import { ListEnd, Rows } from '../parts/rows.tsx';
import { Words } from '../parts/text.tsx';
import { Totals } from '../parts/totals.tsx';
import { Setup } from './setup.tsx';

/** The filters of the address, as the server is asked. */
export function useServerFilter(): URLSearchParams {
  const { query } = usePlace();
  const now = useNow(60_000);
  return serverFilter(query, now);
}

export function useCharts(): Charts | undefined {
  const filter = useServerFilter();
  return useView<Charts>(withQuery('charts', filter), ({ type }) => type !== 'resumed', true).data;
}

interface FrameProps {
  readonly title: string;
  readonly status: ServerStatus | undefined;
  readonly children: ComponentChildren;
}

/** Around every list. An empty server shows how to fill it. */
export function ListFrame({ title, status, children }: FrameProps): VNode {
  const { query } = usePlace();
  const charts = useCharts();
  if (status?.records === 0 && !hasFilter(query)) return <Setup withKey={status.keyNeeded} />;
  return (
    <>
      <h1 tabIndex={-1} class="visually-hidden">
        {title}
      </h1>
      <FilterBar />
      <Totals charts={charts} />
      {children}
    </>
  );
}

function ListBody<Row extends { readonly id: string }>({
  list,
  what,
  children,
}: {
  list: ListView<Row>;
  what: string;
  children: ComponentChildren;
}): VNode {
  if (list.error && list.rows.length === 0)
    return (
      <Notice title={`The ${what} cannot be shown.`}>
        <p>{list.error.message}</p>
      </Notice>
    );
  if (list.rows.length === 0)
    return list.waiting ? (
      <Waiting />
    ) : (
      <Notice title={`No ${what} match.`}>
        <p>The filters leave nothing over.</p>
      </Notice>
    );
  return (
    <>
      {children}
      <ListEnd {...list} shown={list.rows.length} />
    </>
  );
}

export function SessionsView({ status }: { status: ServerStatus | undefined }): VNode {
  const list = useList<SessionRow>('sessions', useServerFilter());
  return (
    <ListFrame title="Sessions" status={status}>
      <ListBody list={list} what="sessions">
        <Rows label="Sessions, the latest first" kind="sessions">
          {list.rows.map((row) => (
            <SessionItem key={row.id} row={row} />
          ))}
        </Rows>
      </ListBody>
    </ListFrame>
  );
}

function SessionItem({ row }: { row: SessionRow }): VNode {
  return (
    <li>
      <a href={`/sessions/${row.id}`} class="row" data-row>
        <span class="cell-main">
          <span class="row-title">
            {row.name === undefined ? (
              <span class="mono">{row.id.slice(0, 8)}</span>
            ) : (
              <Words text={row.name} />
            )}
            {row.errors > 0 && <Failed count={row.errors} />}
          </span>
          <Exchange input={row.input} output={row.output} />
        </span>
        <span class="cell-names">
          <Names names={row.agents} kind="agent" />
          <Names names={row.models} kind="model" />
        </span>
        <span class="cell-counts">
          <span>{plural(row.completions, 'completion')}</span>
          <span class="muted">{plural(row.traces, 'trace')}</span>
        </span>
        <span class="cell-figures">
          <Tokens {...row} />
          <Duration millis={Math.max(0, row.end - row.start)} />
        </span>
        <span class="cell-time muted">
          <Ago time={row.end} />
        </span>
      </a>
    </li>
  );
}

/** What went in and what came out, in a line each. */
export function Exchange({ input, output }: { input: string; output: string }): VNode {
  return (
    <>
      {input !== '' && (
        <span class="preview">
          <span class="preview-sign" aria-hidden="true">
            ›
          </span>
          <Words text={input} />
        </span>
      )}
      {output !== '' && (
        <span class="preview preview-out">
          <span class="preview-sign" aria-hidden="true">
            ‹
          </span>
          <Words text={output} />
        </span>
      )}
    </>
  );
}

const MAX_NAMES = 2;

function Names({ names, kind }: { names: readonly string[]; kind: string }): VNode | null {
  if (names.length === 0) return null;
  return (
    <span class="names">
      {names.slice(0, MAX_NAMES).map((name) => (
        <span key={name} class={`name name-${kind}`}>
          <Words text={name} />
        </span>
      ))}
      {names.length > MAX_NAMES && (
        <span class="muted" title={names.slice(MAX_NAMES, 40).map(visibleText).join(', ')}>
          +{names.length - MAX_NAMES}
        </span>
      )}
    </span>
  );
}

export function CompletionsView({ status }: { status: ServerStatus | undefined }): VNode {
  const list = useList<CompletionRow>('completions', useServerFilter());
  const [picked, setPicked] = useState<readonly string[]>([]);
  useEffect(() => {
    const there = picked.filter((id) => list.rows.some((row) => row.id === id));
    if (there.length !== picked.length) setPicked(there);
  }, [list.rows]);
  function pick(id: string, on: boolean): void {
    setPicked(on ? [...picked, id].slice(-2) : picked.filter((one) => one !== id));
  }
  return (
    <ListFrame title="Completions" status={status}>
      {picked.length > 0 && (
        <div class="pick-bar" role="status">
          {picked.length === 1 ? (
            <span>One picked: pick another one to compare.</span>
          ) : (
            <button
              type="button"
              class="button primary"
              onClick={() => go(`/compare?a=${picked[0]}&b=${picked[1]}`)}
            >
              Compare the two
            </button>
          )}
          <button type="button" class="button plain" onClick={() => setPicked([])}>
            Cancel
          </button>
        </div>
      )}
      <ListBody list={list} what="completions">
        <Rows label="Completions, the latest first" kind="completions">
          {list.rows.map((row) => (
            <CompletionItem
              key={row.id}
              row={row}
              isPicked={picked.includes(row.id)}
              onPick={(on) => pick(row.id, on)}
            />
          ))}
        </Rows>
      </ListBody>
    </ListFrame>
  );
}

interface CompletionItemProps {
  readonly row: CompletionRow;
  readonly isPicked: boolean;
  onPick(on: boolean): void;
}

function CompletionItem({ row, isPicked, onPick }: CompletionItemProps): VNode {
  const model = row.model ?? 'unknown model';
  return (
    <li class={isPicked ? 'picked' : ''}>
      <label class="pick" title="Compare">
        <input
          type="checkbox"
          checked={isPicked}
          aria-label={`Compare ${visibleText(model)} ${row.id.slice(0, 8)}`}
          onChange={(event) => onPick(event.currentTarget.checked)}
        />
      </label>
      <a href={`/completions/${row.id}`} class="row" data-row>
        <span class="cell-main">
          <span class="row-title">
            <Words text={model} />
            {row.provider !== undefined && (
              <span class="muted provider">
                <Words text={row.provider} />
              </span>
            )}
            <Names names={row.agent === undefined ? [] : [row.agent]} kind="agent" />
            {row.failed && <Failed />}
          </span>
          <Exchange input={row.input} output={row.output} />
        </span>
        <span class="cell-figures">
          <Tokens {...row} />
          <Duration millis={row.durationMillis} />
        </span>
        <span class="cell-time muted">
          <Ago time={row.start} />
        </span>
      </a>
    </li>
  );
}

/** Search from a place that is no list leads to the list of completions. */
export function search(text: string, path: string): void {
  const isList = path === '/' || path === '/completions' || path === '/charts';
  if (!isList) {
    if (text.trim() !== '') go(`/completions?${new URLSearchParams({ text })}`);
    return;
  }
  adjust((query) => {
    if (text.trim() === '') query.delete('text');
    else query.set('text', text);
  });
}
