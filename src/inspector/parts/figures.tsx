/** Times, tokens and kinds, the same everywhere. */
import type { VNode } from 'preact';
import { formatCount, formatDuration } from '../../local/summary.ts';
import type { TokenTotals, TraceNodeRow } from '../../local/view-types.ts';
import { useNow } from '../data/use-now.ts';
import { exactTime, relativeTime, shortCount } from '../model/format.ts';
import { Icon } from './icons.tsx';

export function Ago({ time }: { time: number }): VNode {
  const now = useNow();
  const date = new Date(time);
  return (
    <time {...(Number.isNaN(date.getTime()) ? {} : { dateTime: date.toISOString() })} title={exactTime(time)}>
      {relativeTime(time, now)}
    </time>
  );
}

export function Duration({ millis }: { millis: number | undefined }): VNode | null {
  if (millis === undefined) return null;
  return (
    <span class="figure" title={`${formatCount(Math.round(millis * 1000) / 1000)} ms`}>
      <span class="visually-hidden">took </span>
      {formatDuration(millis)}
    </span>
  );
}

/** Read → written; a side that nobody reported is a dash. */
export function Tokens({ promptTokens, completionTokens }: TokenTotals): VNode | null {
  if (promptTokens === undefined && completionTokens === undefined) return null;
  const words = (count: number | undefined): string => (count === undefined ? 'unknown' : formatCount(count));
  const brief = (count: number | undefined): string => (count === undefined ? '–' : shortCount(count));
  return (
    <span
      class="figure tokens"
      title={`${words(promptTokens)} tokens read, ${words(completionTokens)} tokens written`}
    >
      <span class="visually-hidden">tokens </span>
      {brief(promptTokens)}
      <span class="arrow"> → </span>
      {brief(completionTokens)}
    </span>
  );
}

const KIND_WORDS = {
  group: 'trace',
  agent: 'agent',
  tool: 'tool',
  trace: 'step',
  completion: 'completion',
  missing: 'not recorded',
} as const;

export function kindWord(kind: TraceNodeRow['kind']): string {
  return KIND_WORDS[kind];
}

interface KindIconProps {
  readonly kind: TraceNodeRow['kind'];
  readonly failed?: boolean;
  /** The word stands beside it. */
  readonly hasWord?: boolean;
}

export function KindIcon({ kind, failed = false, hasWord = false }: KindIconProps): VNode {
  const words = failed ? `${kindWord(kind)}, failed` : kindWord(kind);
  return (
    <span class={`kind kind-${failed ? 'failed' : kind}`} title={words}>
      <Icon name={kind} />
      {!hasWord && <span class="visually-hidden">{words} </span>}
    </span>
  );
}

export function Failed({ count }: { count?: number }): VNode {
  return <span class="tag error">{count === undefined ? 'failed' : `${formatCount(count)} failed`}</span>;
}
