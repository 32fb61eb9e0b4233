/** What of a body differs from another one, leaf by leaf; and what a person calls the field that a leaf is in. */
import type { JsonValue } from '../json/json-text.ts';
import type { RecordBody } from '../record/record.ts';

/** From the body down; numbers of lists are decimal. */
export type LeafPath = readonly string[];

export interface Leaf {
  readonly path: LeafPath;
  readonly value: string | number | boolean | null;
}

type Container = readonly JsonValue[] | { readonly [key: string]: JsonValue | undefined };

export function leavesOf(value: JsonValue | undefined, path: LeafPath = []): Leaf[] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null) return [{ path, value }];
  const entries = Object.entries(value as Container);
  if (entries.length === 0) return [{ path, value: Array.isArray(value) ? '[]' : '{}' }];
  return entries.flatMap(([key, item]) => leavesOf(item, [...path, key]));
}

/** As a key of maps. */
export function leafKey(path: LeafPath): string {
  return path.join('\u0000');
}

/** Keys of those leaves of `before` that are no more what they were in `after`. */
export function changedLeaves(before: RecordBody, after: RecordBody): ReadonlySet<string> {
  const changed = new Set<string>();
  compare(before, after, [], changed);
  return changed;
}

function compare(
  before: JsonValue | undefined,
  after: JsonValue | undefined,
  path: LeafPath,
  changed: Set<string>,
): void {
  if (before === undefined || before === after) return;
  if (Array.isArray(before) && Array.isArray(after)) compareLists(before, after, path, changed);
  else if (isContainer(before) && isContainer(after) && !Array.isArray(before) && !Array.isArray(after)) {
    for (const [key, item] of Object.entries(before))
      compare(item, Object.hasOwn(after, key) ? after[key] : undefined, [...path, key], changed);
  } else for (const leaf of leavesOf(before, path)) changed.add(leafKey(leaf.path));
}

function isContainer(
  value: JsonValue | undefined,
): value is { readonly [key: string]: JsonValue | undefined } {
  return typeof value === 'object' && value !== null;
}

/**
 * A message that is gone shifts those after it, which are what they were: what stands on both sides of the change is set aside, then
 * what is found again in order; only the rest is compared one by one.
 */
function compareLists(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  path: LeafPath,
  changed: Set<string>,
): void {
  const old = before.map((item) => JSON.stringify(item));
  const now = after.map((item) => JSON.stringify(item));
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let end = 0;
  while (
    end < old.length - start &&
    end < now.length - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  )
    end++;
  const left = old.length - end;
  const right = now.length - end;
  if (left - start === right - start) {
    for (let i = start; i < left; i++) compare(before[i], after[i], [...path, String(i)], changed);
    return;
  }
  let next = start;
  for (let i = start; i < left; i++) {
    const found = now.indexOf(old[i] as string, next);
    if (found !== -1 && found < right) next = found + 1;
    else for (const leaf of leavesOf(before[i], [...path, String(i)])) changed.add(leafKey(leaf.path));
  }
}

/** Fields that people want to know about one by one; what lies deeper is told together. */
const DEPTHS: readonly (readonly [prefix: string, depth: number])[] = [
  ['call_info.provider_info', 3],
  ['call_info.llm_parameters', 3],
  ['call_info.usage', 3],
  ['call_info', 2],
  ['session_info.custom_metadata', 3],
  ['session_info', 2],
  ['messages', 2],
  ['inputs', 2],
  ['eval_results', 2],
  ['custom_metadata', 2],
  ['prompt_info', 2],
];

/** `messages.0`, `call_info.model`, `call_info.usage.prompt_tokens`, `tool_schema`. */
export function fieldOf(path: LeafPath): string {
  const text = path.join('.');
  const depth = DEPTHS.find(([prefix]) => text === prefix || text.startsWith(`${prefix}.`))?.[1] ?? 1;
  return path.slice(0, depth).join('.');
}
