/** What is filtered by, as controls; the address is the only place where it is kept. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Facet, Facets } from '../../local/view-types.ts';
import { FILTER_NAMES } from '../../local/view-types.ts';
import { adjust, usePlace } from '../data/place.ts';
import { useView } from '../data/view.ts';
import { hasFilter, WINDOWS } from '../model/filter.ts';
import { visibleText } from '../model/visible-text.ts';

const TYPING_PAUSE_MILLIS = 200;

export function FilterBar(): VNode {
  const { query } = usePlace();
  const facets = useView<Facets>('facets', ({ type }) => type !== 'resumed', true).data;
  return (
    <search class="filters" aria-label="Filters">
      <Choice name="model" label="Model" all="All models" facets={facets?.models} query={query} />
      <Choice name="provider" label="Provider" all="All providers" facets={facets?.providers} query={query} />
      <Choice name="agent" label="Agent" all="All agents" facets={facets?.agents} query={query} />
      <Select name="error" label="Outcome" query={query}>
        <option value="">Any outcome</option>
        <option value="true">Failed</option>
        <option value="false">Succeeded</option>
      </Select>
      <Select name="since" label="Time" query={query}>
        <option value="">Any time</option>
        {[...WINDOWS].map(([value, { label }]) => (
          <option key={value} value={value}>
            {label}
          </option>
        ))}
      </Select>
      <SessionField value={query.get('session') ?? ''} />
      {hasFilter(query) && (
        <button type="button" class="button plain" onClick={clear}>
          Clear filters
        </button>
      )}
    </search>
  );
}

interface ChoiceProps {
  readonly name: string;
  readonly label: string;
  readonly all: string;
  readonly facets: readonly Facet[] | undefined;
  readonly query: URLSearchParams;
}

function Choice({ name, label, all, facets = [], query }: ChoiceProps): VNode | null {
  const current = query.get(name) ?? '';
  // With nothing to choose from there is no control, unless the address names a value.
  if (facets.length === 0 && current === '') return null;
  const known = facets.some(({ value }) => value === current);
  return (
    <Select name={name} label={label} query={query}>
      <option value="">{all}</option>
      {current !== '' && !known && <option value={current}>{visibleText(current)}</option>}
      {facets.map(({ value, count }) => (
        <option key={value} value={value}>
          {visibleText(value)} ({count.toLocaleString('en-US')})
        </option>
      ))}
    </Select>
  );
}

interface SelectProps {
  readonly name: string;
  readonly label: string;
  readonly query: URLSearchParams;
  readonly children: ComponentChildren;
}

function Select({ name, label, query, children }: SelectProps): VNode {
  const current = query.get(name) ?? '';
  return (
    <select
      aria-label={label}
      value={current}
      class={current === '' ? '' : 'chosen'}
      onChange={(event) => set(name, event.currentTarget.value)}
    >
      {children}
    </select>
  );
}

function SessionField({ value }: { value: string }): VNode {
  const [text, setText] = useSettled(value, (next) => set('session', next));
  return (
    <input
      type="text"
      aria-label="Session name or id"
      class={`session-field${value === '' ? '' : ' chosen'}`}
      placeholder="Session"
      autocomplete="off"
      spellcheck={false}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
    />
  );
}

/** A field that follows the address, and changes it when the typing has stopped. */
export function useSettled(value: string, settle: (text: string) => void): [string, (text: string) => void] {
  const [text, setText] = useState(value);
  const [typing, setTyping] = useState(false);
  useEffect(() => {
    if (!typing) setText(value);
  }, [value, typing]);
  useEffect(() => {
    if (!typing) return undefined;
    const timer = setTimeout(() => {
      setTyping(false);
      settle(text);
    }, TYPING_PAUSE_MILLIS);
    return () => clearTimeout(timer);
  }, [text, typing]);
  return [
    text,
    (next) => {
      setTyping(true);
      setText(next);
    },
  ];
}

function set(name: string, value: string): void {
  adjust((query) => {
    if (value.trim() === '') query.delete(name);
    else query.set(name, value);
  });
}

function clear(): void {
  adjust((query) => {
    for (const name of [...FILTER_NAMES, 'since']) query.delete(name);
  });
}
