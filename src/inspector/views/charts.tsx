import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { formatDuration } from '../../local/summary.ts';
import type { Charts, ServerStatus } from '../../local/view-types.ts';
import { bucketWords, shortCount } from '../model/format.ts';
import { Chart, type Series } from '../parts/chart.tsx';
import { Notice, Waiting } from '../parts/notice.tsx';
import { ListFrame, useCharts } from './lists.tsx';

export function ChartsView({ status }: { status: ServerStatus | undefined }): VNode {
  const charts = useCharts();
  return (
    <ListFrame title="Charts" status={status}>
      {charts === undefined ? (
        <Waiting />
      ) : charts.completions === 0 ? (
        <Notice title="No completions match." />
      ) : (
        <AllCharts charts={charts} />
      )}
    </ListFrame>
  );
}

function AllCharts({ charts }: { charts: Charts }): VNode {
  const [side, setSide] = useState<'promptTokens' | 'completionTokens'>('completionTokens');
  const { models, buckets, bucketMillis } = charts;
  const common = { buckets, bucketMillis };
  const per = `by model, per ${bucketWords(bucketMillis)}`;
  return (
    <div class="charts">
      <Chart
        {...common}
        title="Latency"
        hint={`by model, per ${bucketWords(bucketMillis)}; p50 solid, p95 dashed`}
        kind="lines"
        format={(millis) => (millis === 0 ? '0' : formatDuration(millis))}
        series={models.flatMap((model, colour): Series[] => [
          { name: `${model.model} p50`, group: model.model, colour, values: model.p50Millis },
          { name: `${model.model} p95`, colour, values: model.p95Millis, dashed: true },
        ])}
      />
      <Chart
        {...common}
        title="Completions"
        hint={per}
        kind="stacked"
        format={shortCount}
        series={models.map(({ model, completions }, colour) => ({
          name: model,
          colour,
          values: completions,
        }))}
      />
      <div>
        <fieldset class="segments">
          <legend class="visually-hidden">Which tokens</legend>
          {(['completionTokens', 'promptTokens'] as const).map((one) => (
            <label key={one}>
              <input type="radio" name="tokens" checked={side === one} onChange={() => setSide(one)} />
              {one === 'promptTokens' ? 'read' : 'written'}
            </label>
          ))}
        </fieldset>
        <Chart
          {...common}
          title={side === 'promptTokens' ? 'Tokens read' : 'Tokens written'}
          hint={per}
          kind="stacked"
          format={shortCount}
          series={models.map((model, colour) => ({ name: model.model, colour, values: model[side] }))}
        />
      </div>
    </div>
  );
}
