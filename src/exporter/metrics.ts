/** The ledger as OpenTelemetry metrics, section 11 of `design.md`: read when somebody collects, so that no span and no record pays for it. */
import {
  type Attributes,
  type BatchObservableResult,
  type Meter,
  type MeterProvider,
  type Observable,
  ValueType,
} from '@opentelemetry/api';
import {
  ATTR_ERROR_TYPE,
  ATTR_OTEL_COMPONENT_NAME,
  ATTR_OTEL_COMPONENT_TYPE,
  METRIC_OTEL_SDK_EXPORTER_SPAN_EXPORTED,
  METRIC_OTEL_SDK_EXPORTER_SPAN_INFLIGHT,
  METRIC_OTEL_SDK_PROCESSOR_SPAN_PROCESSED,
  METRIC_OTEL_SDK_PROCESSOR_SPAN_QUEUE_CAPACITY,
  METRIC_OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE,
} from '../semconv.ts';
import { VERSION } from '../version.ts';
import type { Ledger } from './ledger.ts';

export interface MetricsSource {
  /** The class that the user made, which is the `otel.component.type`. Only a processor has a queue in the sense of the conventions. */
  readonly component: 'FreeplaySpanExporter' | 'FreeplaySpanProcessor' | 'FreeplayGateway';
  readonly maxQueueRecords: number;
  readonly maxQueueBytes: number;
  ledger(): Ledger;
  /** Told of whatever the meter provider throws; it must not reach the app, nor its other metrics. */
  onFailure(): void;
}

const METER = 'opentelemetry-exporter-freeplay';

/**
 * Reports the ledger to a meter provider, with one callback for each collection.
 *
 * @returns ends that. The next collection still sees the ledger, since nobody could see before what was lost at shutdown; then the
 * callback goes
 */
export function reportMetrics(provider: MeterProvider, source: MetricsSource): () => void {
  const guard = (work: () => void): void => {
    try {
      work();
    } catch {
      source.onFailure();
    }
  };
  let isOver = false;
  guard(() => {
    const meter = provider.getMeter(METER, VERSION);
    const observe = createObserver(meter, source, {
      [ATTR_OTEL_COMPONENT_TYPE]: source.component,
      [ATTR_OTEL_COMPONENT_NAME]: `${source.component}/${countInstance(provider, source.component)}`,
    });
    const callback = (result: BatchObservableResult): void =>
      guard(() => {
        observe.ledger(result, source.ledger());
        // Not at once: the provider is going through its list of callbacks.
        if (isOver) queueMicrotask(unregister);
      });
    const unregister = (): void =>
      guard(() => meter.removeBatchObservableCallback(callback, observe.instruments));
    meter.addBatchObservableCallback(callback, observe.instruments);
  });
  return () => {
    isOver = true;
  };
}

interface Observer {
  readonly instruments: Observable[];
  ledger(result: BatchObservableResult, ledger: Ledger): void;
}

function createObserver(meter: Meter, source: MetricsSource, component: Attributes): Observer {
  const instruments: Observable[] = [];
  const counter = (name: string, unit: string, description: string): Observable =>
    keep(meter.createObservableCounter(name, { unit, description, valueType: ValueType.INT }));
  const level = (name: string, unit: string, description: string): Observable =>
    keep(meter.createObservableUpDownCounter(name, { unit, description, valueType: ValueType.INT }));
  function keep(instrument: Observable): Observable {
    instruments.push(instrument);
    return instrument;
  }

  const exported = counter(
    METRIC_OTEL_SDK_EXPORTER_SPAN_EXPORTED,
    '{span}',
    'The number of spans for which the export has finished, either successful or failed',
  );
  const inflight = level(
    METRIC_OTEL_SDK_EXPORTER_SPAN_INFLIGHT,
    '{span}',
    'The number of spans which were passed to the exporter, but that have not been exported yet (neither successful, nor failed)',
  );
  const processor = source.component === 'FreeplaySpanProcessor' && {
    processed: counter(
      METRIC_OTEL_SDK_PROCESSOR_SPAN_PROCESSED,
      '{span}',
      'The number of spans for which the processing has finished, either successful or failed',
    ),
    size: level(
      METRIC_OTEL_SDK_PROCESSOR_SPAN_QUEUE_SIZE,
      '{span}',
      'The number of spans in the queue of a given instance of an SDK span processor',
    ),
    capacity: level(
      METRIC_OTEL_SDK_PROCESSOR_SPAN_QUEUE_CAPACITY,
      '{span}',
      'The maximum number of spans the queue of a given instance of an SDK span processor can hold',
    ),
  };
  // No counter: a root may be recorded as the group long after it was skipped.
  const spans = level('freeplay.spans', '{span}', 'Ended spans, by whether a record was made of them');
  const records = level('freeplay.records', '{record}', 'Records created, by what has become of them');
  const usage = level('freeplay.queue.usage', 'By', 'Bytes of the records in hand');
  const limit = level('freeplay.queue.limit', 'By', 'Bytes of records that may be in hand');
  const retries = counter('freeplay.retries', '{retry}', 'Attempts after the first, of all records');

  return {
    instruments,
    ledger(result, ledger) {
      const put = (instrument: Observable, value: number, own?: Attributes): void =>
        result.observe(instrument, value, { ...component, ...own });
      const { seen, skipped, converted } = ledger.spans;
      const { delivered, rejected, dropped, spooled, pending } = ledger.records;

      put(exported, delivered);
      put(exported, rejected, { [ATTR_ERROR_TYPE]: 'rejected' });
      put(inflight, pending);
      if (processor) {
        put(processor.processed, seen);
        put(processor.size, pending);
        put(processor.capacity, source.maxQueueRecords);
      }

      put(spans, converted, { 'freeplay.span.result': 'converted' });
      put(spans, skipped, { 'freeplay.span.result': 'skipped' });
      for (const [state, n] of Object.entries({ delivered, rejected, spooled, pending }))
        put(records, n, { 'freeplay.record.state': state });
      for (const [reason, n] of Object.entries(dropped)) {
        put(exported, n, { [ATTR_ERROR_TYPE]: reason });
        put(records, n, { 'freeplay.record.state': 'dropped', [ATTR_ERROR_TYPE]: reason });
      }
      put(usage, ledger.bytes);
      put(limit, source.maxQueueBytes);
      put(retries, ledger.retries);
    },
  };
}

/** Shared by all copies of the package in the process, so that no two components of one provider have the same name. */
const INSTANCES = Symbol.for('opentelemetry-exporter-freeplay.instances');

/** How many components of that kind the provider has had before. */
function countInstance(provider: object, component: string): number {
  const shared = globalThis as { [INSTANCES]?: WeakMap<object, Map<string, number>> };
  shared[INSTANCES] ??= new WeakMap();
  const counts = shared[INSTANCES].get(provider) ?? new Map<string, number>();
  shared[INSTANCES].set(provider, counts);
  const before = counts.get(component) ?? 0;
  counts.set(component, before + 1);
  return before;
}
