/** The figures above every list: of all that the filters let through. */
import type { ComponentChildren, VNode } from 'preact';
import { formatCount, formatDuration } from '../../local/summary.ts';
import type { Charts } from '../../local/view-types.ts';
import { shortCount } from '../model/format.ts';

export function Totals({ charts }: { charts: Charts | undefined }): VNode | null {
  if (!charts) return <div class="totals" />;
  const { sessions, completions, errors, promptTokens, completionTokens, p50Millis, p95Millis } = charts;
  const rate = completions === 0 ? 0 : (errors / completions) * 100;
  return (
    <dl class="totals">
      <Figure label="Sessions">{shortCount(sessions)}</Figure>
      <Figure label="Completions">
        {shortCount(completions)}
        <Sparkline charts={charts} />
      </Figure>
      <Figure label="Failed" bad={errors > 0}>
        {formatCount(errors)}
        {errors > 0 && <span class="aside"> {rate < 0.1 ? '<0.1' : rate.toFixed(1)} %</span>}
      </Figure>
      <Figure label="Tokens read">{promptTokens === undefined ? '–' : shortCount(promptTokens)}</Figure>
      <Figure label="Tokens written">
        {completionTokens === undefined ? '–' : shortCount(completionTokens)}
      </Figure>
      <Figure label="Latency p50">{p50Millis === undefined ? '–' : formatDuration(p50Millis)}</Figure>
      <Figure label="Latency p95">{p95Millis === undefined ? '–' : formatDuration(p95Millis)}</Figure>
    </dl>
  );
}

function Figure({
  label,
  bad = false,
  children,
}: {
  label: string;
  bad?: boolean;
  children: ComponentChildren;
}): VNode {
  return (
    <div class={bad ? 'bad' : ''}>
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

/** Completions over time, without a scale: the shape alone. */
function Sparkline({ charts }: { charts: Charts }): VNode | null {
  const counts = charts.buckets.map((_, bucket) =>
    charts.models.reduce((sum, { completions }) => sum + (completions[bucket] ?? 0), 0),
  );
  const most = Math.max(...counts, 1);
  if (counts.length < 4) return null;
  const width = 72 / counts.length;
  return (
    <svg class="sparkline" viewBox="0 0 72 18" aria-hidden="true" preserveAspectRatio="none">
      {counts.map((count, index) => {
        const height = count === 0 ? 0.5 : Math.max(1.5, (count / most) * 18);
        return (
          <rect
            key={charts.buckets[index]}
            x={index * width}
            y={18 - height}
            width={Math.max(0.6, width - 0.4)}
            height={height}
          />
        );
      })}
    </svg>
  );
}
