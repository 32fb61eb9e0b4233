import { buildTree, type Tree, type TreeItem, type TreeNode } from './record-tree.ts';
import { groupOf, parentOf } from './store.ts';
import {
  formatCount,
  formatDuration,
  formatTokens,
  type RecordSummary,
  type ShownRecord,
  shortId,
  summarise,
} from './summary.ts';
import {
  createPaint,
  fitText,
  type Paint,
  padText,
  padTextStart,
  plainText,
  type Style,
  textWidth,
} from './terminal-text.ts';

export interface DescribeOptions {
  /** ANSI colours. @default false */
  readonly colour?: boolean | undefined;
  /** Columns. @default 100 */
  readonly width?: number | undefined;
}

const LABEL_STYLES: Readonly<Record<RecordSummary['label'], Style>> = {
  completion: 'cyan',
  agent: 'magenta',
  tool: 'yellow',
  trace: 'green',
};

const MIN_WIDTH = 60;
const LABEL_WIDTH = 'completion'.length;
const ID_WIDTH = 8;
const LINE_NAME_WIDTH = 20;
const LINE_TOKENS_WIDTH = 12;
const DURATION_WIDTH = 7;
/** Of the tree's left column: branches, label and name. */
const MAX_LEFT_WIDTH = 46;
const MAX_BRANCH_WIDTH = 24;

/**
 * One line for a record that has just come in: kind, id, model or name, tokens, latency, whom it hangs under, first words.
 *
 * @example
 * completion 00f067aa gpt-4o-mini           512 → 34    1.24 s  ↑ 4bf92f35  It is 21 °C in Paris.
 */
export function describeRecord(record: ShownRecord, options: DescribeOptions = {}): string {
  const paint = createPaint(options.colour ?? false);
  const summary = summarise(record);
  const above = parentOf(record.body) ?? groupOf(record.body);
  const left = [
    paint(LABEL_STYLES[summary.label], padText(summary.label, LABEL_WIDTH)),
    paint('dim', padText(shortId(record.id), ID_WIDTH)),
    padText(fitText(summary.name, LINE_NAME_WIDTH), LINE_NAME_WIDTH),
    padTextStart(formatTokens(summary.promptTokens, summary.completionTokens), LINE_TOKENS_WIDTH),
    padTextStart(formatDuration(summary.durationMillis), DURATION_WIDTH),
    paint('dim', padText(above === undefined ? '' : `↑ ${shortId(above)}`, ID_WIDTH + 2)),
  ].join(' ');
  return withWords(left, summary, options.width, paint);
}

/**
 * Sessions as trees: trace, agent, completion, tool; children in order of time. Ends without a line break.
 * Takes stored records and those of `convertSpans` alike; pure.
 */
export function renderTree(records: Iterable<ShownRecord>, options: DescribeOptions = {}): string {
  const paint = createPaint(options.colour ?? false);
  const sessions = new Map<string, ShownItem[]>();
  for (const record of records) {
    const session = record.session ?? record.sessionId ?? '';
    const items = sessions.get(session);
    if (items) items.push(toItem(record));
    else sessions.set(session, [toItem(record)]);
  }
  return [...sessions]
    .map(([session, items]) => renderSession(session, buildTree(items), options, paint))
    .join('\n\n');
}

interface ShownItem extends TreeItem {
  readonly kind: ShownRecord['kind'];
  readonly summary: RecordSummary;
}

function toItem(record: ShownRecord): ShownItem {
  const summary = summarise(record);
  const { kind, id, body } = record;
  const place = { group: groupOf(body), parent: parentOf(body), start: summary.start };
  return { kind, id: id.toLowerCase(), summary, ...place };
}

interface TreeLine {
  readonly branches: string;
  readonly label: RecordSummary['label'];
  readonly name: string;
  readonly id: string | undefined;
  readonly summary: RecordSummary | undefined;
}

function renderSession(
  session: string,
  tree: Tree<ShownItem>,
  options: DescribeOptions,
  paint: Paint,
): string {
  const lines = treeLines(tree.roots);
  const tokens = lines.map(({ summary }) =>
    summary === undefined ? '' : formatTokens(summary.promptTokens, summary.completionTokens),
  );
  const leftWidth = Math.min(MAX_LEFT_WIDTH, widest(lines.map((line) => textWidth(plainLeft(line)))));
  const tokensWidth = widest(tokens.map(textWidth));
  const rendered = lines.map((line, index) => {
    const columns = [
      paintLeft(line, leftWidth, paint),
      ...(tokensWidth === 0 ? [] : [padTextStart(tokens[index] ?? '', tokensWidth)]),
      padTextStart(formatDuration(line.summary?.durationMillis), DURATION_WIDTH),
    ];
    return withWords(columns.join('  '), line.summary, options.width, paint);
  });
  return [sessionHead(session, tree, paint), ...rendered].join('\n');
}

/** Depth first, without recursion: a chain may be as long as there are records. */
function treeLines(roots: readonly TreeNode<ShownItem>[]): TreeLine[] {
  const lines: TreeLine[] = [];
  const pending: { node: TreeNode<ShownItem>; above: string; last: boolean; root: boolean }[] = [];
  const push = (nodes: readonly TreeNode<ShownItem>[], above: string, root: boolean): void => {
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i];
      if (node !== undefined) pending.push({ node, above, last: i === nodes.length - 1, root });
    }
  };
  push(roots, '', true);
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { node, above, last, root } = next;
    const branches = `${above}${last ? '└─ ' : '├─ '}`;
    lines.push({
      branches: branches.length > MAX_BRANCH_WIDTH ? `⋯${branches.slice(1 - MAX_BRANCH_WIDTH)}` : branches,
      label: node.item?.summary.label ?? 'trace',
      name: node.item?.summary.name ?? '(group not recorded)',
      id: root ? shortId(node.id) : undefined,
      summary: node.item?.summary,
    });
    // Only what can be shown is kept: deeper branches are cut on the left.
    push(node.children, `${above}${last ? '   ' : '│  '}`.slice(-3 * MAX_BRANCH_WIDTH), false);
  }
  return lines;
}

function plainLeft({ branches, label, name, id }: TreeLine): string {
  return `${branches}${label} ${name}${id === undefined ? '' : ` ${id}`}`;
}

function paintLeft(line: TreeLine, width: number, paint: Paint): string {
  const { branches, label, name, id } = line;
  const suffix = id === undefined ? '' : ` ${id}`;
  const room = width - textWidth(branches) - label.length - 1 - suffix.length;
  const shownName = fitText(name, Math.max(1, room));
  const gap = ' '.repeat(Math.max(0, room - textWidth(shownName)));
  const style = line.summary === undefined ? 'dim' : 'bold';
  return [
    paint('dim', branches),
    paint(LABEL_STYLES[label], label),
    ` ${paint(style, shownName)}`,
    paint('dim', suffix),
    gap,
  ].join('');
}

function sessionHead(session: string, { roots, nodes }: Tree<ShownItem>, paint: Paint): string {
  const items = nodes.flatMap(({ item }) => item ?? []);
  const completions = items.filter(({ kind }) => kind === 'completion');
  const tools = items.filter(({ summary }) => summary.label === 'tool').length;
  const total = (key: 'promptTokens' | 'completionTokens'): number =>
    completions.reduce((sum, { summary }) => sum + (summary[key] ?? 0), 0);
  const failed = completions.filter(({ summary }) => summary.failed).length;
  const facts = [
    counted(roots.length, 'trace'),
    counted(completions.length, 'completion'),
    ...(tools === 0 ? [] : [counted(tools, 'tool call')]),
    ...(failed === 0 ? [] : [`${failed} failed`]),
    `${formatCount(total('promptTokens'))} → ${formatCount(total('completionTokens'))} tokens`,
    ...wallClock(items),
  ];
  return `${paint('bold', `session ${plainText(session)}`)}\n${paint('dim', facts.join(' · '))}`;
}

/** From the first start to the last end. */
function wallClock(items: readonly ShownItem[]): string[] {
  let first = Number.POSITIVE_INFINITY;
  let last = Number.NEGATIVE_INFINITY;
  for (const { summary } of items) {
    if (summary.start === undefined) continue;
    first = Math.min(first, summary.start);
    last = Math.max(last, summary.start + (summary.durationMillis ?? 0));
  }
  return last > first ? [formatDuration(last - first)] : [];
}

/** The rest of the line: as many words as fit. */
function withWords(
  left: string,
  summary: RecordSummary | undefined,
  width: number | undefined,
  paint: Paint,
): string {
  if (summary === undefined || summary.words === '') return left.trimEnd();
  // Colours take no columns.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the escapes that this file wrote
  const used = textWidth(left.replace(/\u001b\[\d+m/g, ''));
  const words = fitText(summary.words, Math.max(MIN_WIDTH, width ?? 100) - used - 2);
  if (words === '') return left.trimEnd();
  return `${left}  ${summary.failed ? paint('red', words) : words}`;
}

function widest(widths: readonly number[]): number {
  return widths.reduce((most, width) => Math.max(most, width), 0);
}

function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
