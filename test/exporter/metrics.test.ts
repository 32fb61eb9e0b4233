/** The ledger as metrics, read by the SDK's own meter provider. */
import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import {
  AggregationTemporality,
  DataPointType,
  MeterProvider,
  MetricReader,
  type MetricReaderOptions,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base';
import { afterEach, beforeEach, describe, expect, it, type MockInstance, onTestFinished, vi } from 'vitest';
import { type FreeplayOptions, FreeplaySpanProcessor, type Ledger } from '../../src/index.ts';
import { VERSION } from '../../src/version.ts';
import { chatAttributes, makeSpan, spanIdOf } from '../property/support.ts';
import { accept, createExporter, exportSpans, KEY, startApi } from './support.ts';

const QUESTION = 'what is in the secret file';

const chat = (n: number) =>
  makeSpan({
    spanId: spanIdOf(n),
    parentSpanId: undefined,
    name: 'chat gpt-4o',
    scope: 'app',
    attributes: chatAttributes({ question: `${QUESTION} ${n}`, answer: 'a' }),
    start: n * 20,
  });
const plain = (n: number) => makeSpan({ spanId: spanIdOf(n), parentSpanId: undefined, name: `step ${n}` });

class TestReader extends MetricReader {
  protected onShutdown(): Promise<void> {
    return Promise.resolve();
  }
  protected onForceFlush(): Promise<void> {
    return Promise.resolve();
  }
}

/** The numbers of a collection by `name{attributes}`, without the attributes of the component. */
type Numbers = Record<string, number>;

function startMeter(options?: MetricReaderOptions): {
  provider: MeterProvider;
  collect: () => Promise<Numbers>;
  reader: TestReader;
} {
  const reader = new TestReader(options);
  const provider = new MeterProvider({ readers: [reader] });
  onTestFinished(() => provider.shutdown());
  const collect = async (): Promise<Numbers> => {
    const { resourceMetrics, errors } = await reader.collect();
    expect(errors).toEqual([]);
    const numbers: Numbers = {};
    for (const { descriptor, dataPoints, dataPointType } of resourceMetrics.scopeMetrics.flatMap(
      ({ scope, metrics }) => (scope.name === 'opentelemetry-exporter-freeplay' ? metrics : []),
    )) {
      expect(dataPointType).toBe(DataPointType.SUM);
      for (const { attributes, value } of dataPoints) {
        const { 'otel.component.type': _, 'otel.component.name': __, ...own } = attributes;
        const key = Object.values(own).length === 0 ? '' : `{${Object.values(own).join(',')}}`;
        numbers[`${descriptor.name}${key}`] = value as number;
      }
    }
    return numbers;
  };
  return { provider, collect, reader };
}

/** What the metrics of an exporter must be, from its ledger. */
function expectedOf({ spans, records, bytes, retries }: Ledger, options: FreeplayOptions = {}): Numbers {
  const { delivered, rejected, dropped, spooled, pending } = records;
  return {
    'otel.sdk.exporter.span.exported': delivered,
    'otel.sdk.exporter.span.exported{rejected}': rejected,
    'otel.sdk.exporter.span.inflight': pending,
    'freeplay.spans{converted}': spans.converted,
    'freeplay.spans{skipped}': spans.skipped,
    'freeplay.records{delivered}': delivered,
    'freeplay.records{rejected}': rejected,
    'freeplay.records{spooled}': spooled,
    'freeplay.records{pending}': pending,
    'freeplay.queue.usage': bytes,
    'freeplay.queue.limit': options.maxQueueBytes ?? 64 * 1024 * 1024,
    'freeplay.retries': retries,
    ...Object.fromEntries(
      Object.entries(dropped).flatMap(([reason, n]) => [
        [`otel.sdk.exporter.span.exported{${reason}}`, n],
        [`freeplay.records{dropped,${reason}}`, n],
      ]),
    ),
  };
}

let emitWarning: MockInstance<typeof process.emitWarning>;

beforeEach(() => {
  emitWarning = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Accepts the first two records, rejects the third, and lets every later one wait until `release`. */
async function startMixedApi(): Promise<{ origin: string; arrived: () => number; release: () => void }> {
  let count = 0;
  const held: (() => void)[] = [];
  const api = await startApi((_, response) => {
    count++;
    if (count <= 2) accept(response);
    else if (count === 3) response.writeHead(400).end('{"message":"no such thing"}');
    else held.push(() => accept(response));
  });
  return {
    origin: api.origin,
    arrived: () => api.posts.length,
    release: () => {
      for (const go of held.splice(0)) go();
    },
  };
}

describe('metrics of an exporter', () => {
  it('are the ledger, at each collection', async () => {
    const api = await startMixedApi();
    const { provider, collect } = startMeter();
    const exporter = createExporter({
      baseUrl: api.origin,
      meterProvider: provider,
      records: 'completions',
      maxQueueBytes: 1_000_000,
    });
    const check = async (): Promise<Ledger> => {
      expect(await collect()).toEqual(expectedOf(exporter.ledger(), { maxQueueBytes: 1_000_000 }));
      return exporter.ledger();
    };

    expect((await check()).records.created).toBe(0);
    await exportSpans(exporter, [chat(1)]);
    await exportSpans(exporter, [chat(2)]);
    await exportSpans(exporter, [chat(3), plain(30), plain(31)]);
    await exportSpans(exporter, [
      { ...plain(4), spanContext: () => ({ traceId: 'x', spanId: 'y', traceFlags: 1 }) },
    ]);
    void exportSpans(exporter, [chat(5)]);
    await vi.waitFor(() => expect(api.arrived()).toBe(4));
    const busy = await check();
    expect(busy.records).toMatchObject({
      created: 5,
      delivered: 2,
      rejected: 1,
      dropped: { invalid_ids: 1 },
      pending: 1,
    });
    expect(busy.bytes).toBeGreaterThan(0);

    api.release();
    await exporter.forceFlush();
    const idle = await check();
    expect(idle.records).toMatchObject({ delivered: 3, pending: 0 });
    const all = await collect();
    const states = Object.entries(all).filter(([name]) => name.startsWith('freeplay.records{'));
    expect(states.reduce((sum, [, n]) => sum + n, 0)).toBe(idle.records.created);
  });

  it('count retries', async () => {
    let count = 0;
    const api = await startApi((_, response) => {
      count++;
      if (count === 1) response.writeHead(429, { 'retry-after': '0' }).end();
      else accept(response);
    });
    const { provider, collect } = startMeter();
    const exporter = createExporter({ baseUrl: api.origin, meterProvider: provider });
    await exportSpans(exporter, [chat(1)]);
    await vi.waitFor(() => expect(exporter.ledger().records.delivered).toBe(1), { timeout: 10_000 });
    const numbers = await collect();
    expect(numbers['freeplay.retries']).toBe(1);
    expect(numbers['otel.sdk.exporter.span.exported']).toBe(1);
  });

  it('name the component as the conventions want it: its class, and its number on this provider', async () => {
    const { provider, reader } = startMeter();
    const other = startMeter();
    const options = { baseUrl: 'http://127.0.0.1:9', meterProvider: provider };
    createExporter(options);
    createExporter(options);
    createExporter({ ...options, meterProvider: other.provider });
    const componentsOf = async (of: TestReader): Promise<readonly string[]> => {
      const { resourceMetrics } = await of.collect();
      const [metric] = resourceMetrics.scopeMetrics
        .flatMap(({ metrics }) => metrics)
        .filter(({ descriptor }) => descriptor.name === 'freeplay.retries');
      return (metric?.dataPoints ?? []).map(({ attributes }) => {
        expect(attributes['otel.component.type']).toBe('FreeplaySpanExporter');
        return String(attributes['otel.component.name']);
      });
    };
    expect(await componentsOf(reader)).toEqual(['FreeplaySpanExporter/0', 'FreeplaySpanExporter/1']);
    expect(await componentsOf(other.reader)).toEqual(['FreeplaySpanExporter/0']);
  });

  it('hold no content, no key, and no text of a server', async () => {
    const api = await startApi((_, response) =>
      response.writeHead(400).end(`{"message":"bad ${QUESTION} ${KEY}"}`),
    );
    const { provider, reader } = startMeter();
    const exporter = createExporter({ baseUrl: api.origin, meterProvider: provider });
    await exportSpans(exporter, [chat(1), plain(2)]);
    const { resourceMetrics } = await reader.collect();
    const text = JSON.stringify(resourceMetrics.scopeMetrics);
    expect(text).toContain('"rejected"');
    for (const secret of [KEY, QUESTION, 'bad', spanIdOf(1), '127.0.0.1']) expect(text).not.toContain(secret);
  });

  it('are monotonic where the conventions say counter', async () => {
    const { provider, reader } = startMeter();
    createExporter({ baseUrl: 'http://127.0.0.1:9', meterProvider: provider });
    const { resourceMetrics } = await reader.collect();
    const counters = resourceMetrics.scopeMetrics
      .flatMap(({ metrics }) => metrics)
      .filter((metric) => metric.dataPointType === DataPointType.SUM && metric.isMonotonic)
      .map(({ descriptor }) => descriptor.name);
    expect(counters.sort()).toEqual(['freeplay.retries', 'otel.sdk.exporter.span.exported']);
  });
});

describe('metrics of a processor', () => {
  it('are those of the exporter, and its queue', async () => {
    const api = await startApi();
    const { provider, collect } = startMeter();
    const processor = new FreeplaySpanProcessor({
      apiKey: KEY,
      projectId: 'p1',
      baseUrl: api.origin,
      flushOnExit: false,
      maxQueueRecords: 77,
      meterProvider: provider,
    });
    onTestFinished(() => processor.shutdown());
    const tracer = new BasicTracerProvider({ spanProcessors: [processor] }).getTracer('app');
    const root = tracer.startSpan('POST /chat');
    const attributes = chatAttributes({ question: 'q', answer: 'a' }) as Record<string, string>;
    tracer.startSpan('chat', { attributes }, trace.setSpan(ROOT_CONTEXT, root)).end();
    root.end();
    await processor.forceFlush();
    const ledger = processor.ledger();
    expect(ledger.records).toMatchObject({ created: 2, delivered: 2 });
    expect(await collect()).toEqual({
      ...expectedOf(ledger),
      'otel.sdk.processor.span.processed': 2,
      'otel.sdk.processor.span.queue.size': 0,
      'otel.sdk.processor.span.queue.capacity': 77,
    });
  });
});

describe('reading', () => {
  it('is one callback for a collection, and none between', () => {
    const { provider } = startMeter();
    const meter = provider.getMeter('opentelemetry-exporter-freeplay');
    const add = vi.spyOn(Object.getPrototypeOf(meter), 'addBatchObservableCallback');
    createExporter({ baseUrl: 'http://127.0.0.1:9', meterProvider: provider });
    expect(add).toHaveBeenCalledTimes(1);
    const [callback, instruments] = add.mock.calls[0] as [(result: object) => void, object[]];
    const observed: object[] = [];
    callback({ observe: (instrument: object) => observed.push(instrument) });
    expect(new Set(observed)).toEqual(new Set(instruments));
  });

  it.each([
    ['cumulative', AggregationTemporality.CUMULATIVE, 2],
    ['delta', AggregationTemporality.DELTA, 0],
  ])('goes on to the collection after shutdown, which sees what was lost then, and ends with it (%s)', async (_, temporality, later) => {
    const api = await startApi(() => {}); // never answers
    const { provider, collect } = startMeter({ aggregationTemporalitySelector: () => temporality });
    const meter = provider.getMeter('opentelemetry-exporter-freeplay', VERSION);
    const remove = vi.spyOn(Object.getPrototypeOf(meter), 'removeBatchObservableCallback');
    const exporter = createExporter({
      baseUrl: api.origin,
      meterProvider: provider,
      shutdownTimeoutMillis: 50,
    });
    // A callback behind ours on the same meter must not be passed over when ours goes.
    let asked = 0;
    const gauge = meter.createObservableGauge('test.gauge');
    meter.addBatchObservableCallback(() => {
      asked++;
    }, [gauge]);

    void exportSpans(exporter, [chat(1), chat(2)]);
    await vi.waitFor(() => expect(api.posts).toHaveLength(2));
    expect((await collect())['otel.sdk.exporter.span.inflight']).toBe(2);
    await exporter.shutdown();
    expect(remove).not.toHaveBeenCalled();
    expect(await collect()).toMatchObject({
      'otel.sdk.exporter.span.exported{shutdown}': 2,
      'freeplay.records{dropped,shutdown}': 2,
    });
    expect(remove).toHaveBeenCalledTimes(1);
    expect((await collect())['otel.sdk.exporter.span.exported{shutdown}'] ?? 0).toBe(later);
    expect(remove).toHaveBeenCalledTimes(1);
    expect(asked).toBe(3);
  });

  it('does not begin without a key: there is nothing to report', async () => {
    const { provider, collect } = startMeter();
    createExporter({ apiKey: '', meterProvider: provider });
    expect(await collect()).toEqual({});
  });
});

describe('a meter provider that throws', () => {
  const boom = (): never => {
    throw new Error('boom');
  };
  const instrument = {};
  const meter = {
    createObservableCounter: () => instrument,
    createObservableUpDownCounter: () => instrument,
    addBatchObservableCallback: (): void => {},
    removeBatchObservableCallback: boom,
  };
  const BROKEN: [where: string, provider: () => object][] = [
    ['getMeter', () => ({ getMeter: boom })],
    ['a meter that is none', () => ({ getMeter: () => undefined })],
    [
      'the instruments',
      () => ({
        getMeter: () => ({ ...meter, createObservableCounter: boom, createObservableUpDownCounter: boom }),
      }),
    ],
    ['registering', () => ({ getMeter: () => ({ ...meter, addBatchObservableCallback: boom }) })],
    [
      'observing',
      () => ({
        getMeter: () => ({
          ...meter,
          addBatchObservableCallback: (callback: (result: object) => void) => callback({ observe: boom }),
        }),
      }),
    ],
    [
      'an API without batch callbacks',
      () => ({ getMeter: () => ({ ...meter, addBatchObservableCallback: undefined }) }),
    ],
  ];

  it.each(BROKEN)('costs its metrics, one warning, and nothing else: %s', async (_, create) => {
    const api = await startApi();
    const meterProvider = create() as unknown as NonNullable<FreeplayOptions['meterProvider']>;
    const exporter = createExporter({ baseUrl: api.origin, meterProvider });
    expect(await exportSpans(exporter, [chat(1)])).toEqual({ code: 0 });
    await exporter.shutdown();
    expect(exporter.ledger().records).toMatchObject({ created: 1, delivered: 1 });
    expect(emitWarning.mock.calls.map(([message]) => String(message))).toEqual([
      expect.stringContaining('meterProvider threw'),
    ]);
  });

  it('while it is left, too', async () => {
    let collect = (): void => {};
    const meterProvider = {
      getMeter: () => ({
        ...meter,
        addBatchObservableCallback: (callback: (result: object) => void) => {
          collect = () => callback({ observe: () => {} });
        },
      }),
    } as unknown as NonNullable<FreeplayOptions['meterProvider']>;
    const exporter = createExporter({ baseUrl: 'http://127.0.0.1:9', meterProvider });
    await exporter.shutdown();
    collect();
    await Promise.resolve(); // it leaves in a microtask
    expect(emitWarning).toHaveBeenCalledTimes(1);
  });
});
