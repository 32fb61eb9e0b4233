/** JSON to look around in. Only what is open is in the page. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { JsonValue } from '../../json/json-text.ts';
import { isObject, structureIn } from '../model/values.ts';
import { showSegments } from './text.tsx';

const PAGE = 100;
const LONG_STRING = 600;
/** Longer strings are not looked at for JSON inside them. */
const MAX_INSIDE = 200_000;
/** So many nodes are opened at the start, the outer ones first. */
const OPEN_NODES = 120;

export function JsonTree({ value }: { value: JsonValue }): VNode {
  return (
    <div class="json">
      <Node value={value} name={undefined} depth={0} openTo={openDepth(value)} />
    </div>
  );
}

/** How deep the tree can be opened within the budget. */
function openDepth(value: JsonValue): number {
  let level: readonly JsonValue[] = [value];
  let seen = 0;
  for (let depth = 0; depth < 8; depth++) {
    level = level.flatMap((node) =>
      Array.isArray(node)
        ? node.slice(0, PAGE)
        : isObject(node)
          ? (Object.values(node).slice(0, PAGE) as JsonValue[])
          : [],
    );
    seen += level.length;
    if (level.length === 0 || seen > OPEN_NODES) return Math.max(1, depth);
  }
  return 8;
}

interface NodeProps {
  readonly value: JsonValue;
  readonly name: string | number | undefined;
  readonly depth: number;
  readonly openTo: number;
}

function Node({ value, name, depth, openTo }: NodeProps): VNode {
  const label = name === undefined ? null : <Key name={name} />;
  if (typeof value !== 'object' || value === null)
    return (
      <div class="json-row">
        {label}
        <Scalar value={value} />
      </div>
    );
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}'];
  if (entries.length === 0)
    return (
      <div class="json-row">
        {label}
        <span class="json-mark">
          {open}
          {close}
        </span>
      </div>
    );
  return (
    <Branch
      label={label}
      marks={[open ?? '', close ?? '']}
      entries={entries as (readonly [string | number, JsonValue])[]}
      depth={depth}
      openTo={openTo}
    />
  );
}

interface BranchProps {
  readonly label: VNode | null;
  readonly marks: readonly [string, string];
  readonly entries: readonly (readonly [string | number, JsonValue])[];
  readonly depth: number;
  readonly openTo: number;
}

function Branch({ label, marks, entries, depth, openTo }: BranchProps): VNode {
  const [isOpen, setOpen] = useState(depth < openTo);
  const [shown, setShown] = useState(PAGE);
  const [open, close] = marks;
  return (
    <details class="json-branch" open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}
        <span class="json-mark">{isOpen ? open : `${open}…${close}`}</span>{' '}
        <span class="json-count">{entries.length.toLocaleString('en-US')}</span>
      </summary>
      {isOpen && (
        <div class="json-children">
          {entries.slice(0, shown).map(([key, item]) => (
            <Node key={key} name={key} value={item} depth={depth + 1} openTo={openTo} />
          ))}
          {shown < entries.length && (
            <button type="button" class="show-more" onClick={() => setShown(shown + PAGE * 5)}>
              Show more <span class="muted">{(entries.length - shown).toLocaleString('en-US')} left</span>
            </button>
          )}
        </div>
      )}
    </details>
  );
}

function Key({ name }: { name: string | number }): VNode {
  return (
    <span class="json-key">
      <bdi>{showSegments(String(name).slice(0, 300))}</bdi>
      <span class="json-mark">: </span>
    </span>
  );
}

function Scalar({ value }: { value: string | number | boolean | null }): VNode {
  const [all, setAll] = useState(false);
  const [inside, setInside] = useState<JsonValue | undefined>();
  if (typeof value !== 'string')
    return <span class={`json-${value === null ? 'null' : typeof value}`}>{String(value)}</span>;
  const isLong = value.length > LONG_STRING * 1.2 && !all;
  if (inside !== undefined) return <JsonTree value={inside} />;
  return (
    <span class="json-string">
      {value.length <= MAX_INSIDE && structureIn(value) !== undefined && (
        <button type="button" class="raw-toggle" onClick={() => setInside(structureIn(value))}>
          open as JSON
        </button>
      )}
      <bdi class="pre">{showSegments(isLong ? value.slice(0, LONG_STRING) : value.slice(0, 500_000))}</bdi>
      {isLong && (
        <button type="button" class="show-more" onClick={() => setAll(true)}>
          Show all{' '}
          <span class="muted">{(value.length - LONG_STRING).toLocaleString('en-US')} more characters</span>
        </button>
      )}
    </span>
  );
}
