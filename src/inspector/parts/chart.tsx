/** Figures by model over time, drawn as SVG; the same figures as a table are one click away. */
import type { ComponentChildren, VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { niceTicks } from '../model/chart-scale.ts';
import { bucketTime, exactTime } from '../model/format.ts';
import { ScrollX } from './scroll-x.tsx';
import { Words } from './text.tsx';

export interface Series {
  readonly name: string;
  /** Colour, 0 to 8. */
  readonly colour: number;
  /** One for each bucket, `null`: no figure. */
  readonly values: readonly (number | null)[];
  readonly dashed?: boolean;
  /** Name in the legend, where several series share a colour. */
  readonly group?: string;
}

interface ChartProps {
  readonly title: string;
  readonly hint: string;
  readonly kind: 'stacked' | 'lines';
  readonly buckets: readonly number[];
  readonly bucketMillis: number;
  readonly series: readonly Series[];
  format(value: number): string;
}

const HEIGHT = 220;
const LEFT = 56;
const RIGHT = 12;
const TOP = 10;
const BOTTOM = 24;

export function Chart(props: ChartProps): VNode {
  const { title, hint, kind, buckets, bucketMillis, series, format } = props;
  const [asTable, setTable] = useState(false);
  const [width, box] = useWidth();
  const [at, setAt] = useState<number | undefined>();
  const most = Math.max(
    0,
    ...buckets.map((_, bucket) => {
      const values = series.map(({ values }) => values[bucket] ?? 0);
      return kind === 'stacked' ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values);
    }),
  );
  const ticks = niceTicks(most, kind === 'stacked');
  const top = ticks.at(-1) || 1;
  const inner = Math.max(10, width - LEFT - RIGHT);
  const step = inner / Math.max(1, buckets.length);
  const x = (bucket: number): number => LEFT + step * (bucket + 0.5);
  const y = (value: number): number => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const labelEvery = Math.max(1, Math.ceil(buckets.length / Math.max(2, Math.floor(inner / 90))));

  function onMove(event: PointerEvent): void {
    const { left } = (event.currentTarget as Element).getBoundingClientRect();
    const bucket = Math.floor((event.clientX - left - LEFT) / step);
    setAt(bucket >= 0 && bucket < buckets.length ? bucket : undefined);
  }

  return (
    <section class="chart" aria-label={title}>
      <div class="chart-head">
        <h2>{title}</h2>
        <span class="muted small">{hint}</span>
        <button type="button" class="button" aria-pressed={asTable} onClick={() => setTable(!asTable)}>
          Table
        </button>
      </div>
      {asTable ? (
        <ChartTable {...props} />
      ) : (
        <div class="chart-box" ref={box}>
          <svg
            width={width}
            height={HEIGHT}
            role="img"
            aria-label={`${title}. The button “Table” shows the figures.`}
            onPointerMove={onMove}
            onPointerLeave={() => setAt(undefined)}
          >
            {ticks.map((tick) => (
              <g key={tick}>
                <line class="grid" x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
                <text class="tick-label" x={LEFT - 8} y={y(tick) + 4} text-anchor="end">
                  {format(tick)}
                </text>
              </g>
            ))}
            {buckets.map(
              (bucket, index) =>
                index % labelEvery === 0 && (
                  <text key={bucket} class="tick-label" x={x(index)} y={HEIGHT - 6} text-anchor="middle">
                    {bucketTime(bucket, bucketMillis)}
                  </text>
                ),
            )}
            {at !== undefined && (
              <rect class="cursor" x={LEFT + step * at} y={TOP} width={step} height={HEIGHT - TOP - BOTTOM} />
            )}
            {kind === 'stacked' ? (
              <Stacks buckets={buckets} series={series} x={x} y={y} width={Math.max(1, step * 0.78)} />
            ) : (
              series.map((one) => <Line key={one.name} series={one} x={x} y={y} />)
            )}
          </svg>
          {at !== undefined && (
            <Tip left={x(at)} width={width}>
              <p>{exactTime(buckets[at] ?? 0).slice(0, 19)}</p>
              {series
                .filter(({ values }) => (kind === 'lines' ? values[at] != null : (values[at] ?? 0) > 0))
                .map(({ name, colour, values, dashed }) => (
                  <p key={name}>
                    <span class={`swatch series-${colour}${dashed ? ' dashed' : ''}`} />
                    <Words text={name} /> <b>{format(values[at] ?? 0)}</b>
                  </p>
                ))}
            </Tip>
          )}
        </div>
      )}
      <ul class="legend">
        {series
          .filter(({ values, dashed }) => !dashed && values.some((value) => value !== null && value !== 0))
          .map(({ name, colour, group = name }) => (
            <li key={name}>
              <span class={`swatch series-${colour}`} />
              <Words text={group} />
            </li>
          ))}
      </ul>
    </section>
  );
}

interface PlotProps {
  x(bucket: number): number;
  y(value: number): number;
}

function Stacks({
  buckets,
  series,
  x,
  y,
  width,
}: PlotProps & { buckets: readonly number[]; series: readonly Series[]; width: number }): VNode {
  return (
    <>
      {buckets.map((bucket, index) => {
        let below = 0;
        return series.map(({ name, colour, values }) => {
          const value = values[index] ?? 0;
          if (value <= 0) return null;
          const from = below;
          below += value;
          return (
            <rect
              key={`${bucket} ${name}`}
              class={`fill-${colour}`}
              x={x(index) - width / 2}
              y={y(below)}
              width={width}
              height={Math.max(0.5, y(from) - y(below))}
            />
          );
        });
      })}
    </>
  );
}

/** A gap where there is no figure; a figure alone is a dot. */
function Line({ series: { colour, values, dashed }, x, y }: PlotProps & { series: Series }): VNode {
  let path = '';
  const dots: VNode[] = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const isStart = (values[index - 1] ?? null) === null;
    path += `${isStart ? 'M' : 'L'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`;
    dots.push(
      <circle key={index} class={`fill-${colour}`} cx={x(index)} cy={y(value)} r={dashed ? 1.8 : 2.2} />,
    );
  });
  return (
    <g>
      <path class={`line line-${colour}${dashed ? ' dashed' : ''}`} d={path} />
      {dots}
    </g>
  );
}

function Tip({ left, width, children }: { left: number; width: number; children: ComponentChildren }): VNode {
  const onRight = left < width / 2;
  return (
    <div class="tip" style={onRight ? { left: `${left + 14}px` } : { right: `${width - left + 14}px` }}>
      {children}
    </div>
  );
}

function ChartTable({ title, buckets, series, format }: ChartProps): VNode {
  return (
    <ScrollX class="chart-table" label={`${title} as a table`}>
      <table class="table">
        <thead>
          <tr>
            <th scope="col">From</th>
            {series.map(({ name }) => (
              <th key={name} scope="col">
                <Words text={name} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {buckets.map((bucket, index) => (
            <tr key={bucket}>
              <th scope="row">{exactTime(bucket).slice(0, 19)}</th>
              {series.map(({ name, values }) => {
                const value = values[index] ?? null;
                return (
                  <td key={name} class="figure">
                    {value === null ? '–' : format(value)}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollX>
  );
}

function useWidth(): [number, { current: HTMLDivElement | null }] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(600);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  });
  return [width, box];
}
