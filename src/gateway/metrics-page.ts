/** The gateway's own metrics, and all of them as a page for Prometheus: written by OpenTelemetry's exporter, served on our port. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { MeterProvider as ApiMeterProvider } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { VERSION } from '../version.ts';
import type { JoinStats } from './joins.ts';
import type { ReceiverEvent } from './receiver.ts';

export interface MetricsPage {
  readonly meterProvider: ApiMeterProvider;
  serve(request: IncomingMessage, response: ServerResponse): void;
  count(event: ReceiverEvent): void;
  countClientError(status: number): void;
  /** Read whenever somebody looks. */
  watch(levels: () => GatewayLevels): void;
  close(): Promise<void>;
}

export interface GatewayLevels {
  readonly requestsInFlight: number;
  readonly bytesInFlight: number;
  readonly openRequests: number;
  /** Spans that no route takes. */
  readonly unrouted: number;
  /** Traces remembered, of all routes, and those forgotten to make room. */
  readonly traces: { readonly remembered: number; readonly forgotten: number };
  readonly joins: JoinStats;
}

interface Level {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  /** It only grows. @default it goes up and down */
  readonly counts?: true;
  readonly read: (now: GatewayLevels) => number;
}

const LEVELS: readonly Level[] = [
  {
    name: 'freeplay.gateway.requests.inflight',
    unit: '{request}',
    description: 'Requests without an answer',
    read: (now) => now.requestsInFlight,
  },
  {
    name: 'freeplay.gateway.bytes.inflight',
    unit: 'By',
    description: 'Bytes of their bodies',
    read: (now) => now.bytesInFlight,
  },
  {
    name: 'freeplay.gateway.requests.open',
    unit: '{request}',
    description: 'Requests that may be sent again, and are recognised then',
    read: (now) => now.openRequests,
  },
  {
    name: 'freeplay.gateway.traces.remembered',
    unit: '{trace}',
    description: 'Traces that spans which come later find their place in',
    read: (now) => now.traces.remembered,
  },
  {
    name: 'freeplay.gateway.traces.forgotten',
    unit: '{trace}',
    description: 'Traces forgotten to make room: what comes of them later is placed by its own word alone',
    counts: true,
    read: (now) => now.traces.forgotten,
  },
  {
    name: 'freeplay.gateway.spans.waiting',
    unit: '{span}',
    description: 'Spans that wait for their log events',
    read: (now) => now.joins.waiting,
  },
  {
    name: 'freeplay.gateway.events.waiting',
    unit: '{span}',
    description: 'Spans that log events wait for',
    read: (now) => now.joins.awaited,
  },
  {
    name: 'freeplay.gateway.events.late',
    unit: '{event}',
    description: 'Log events whose span had been recorded without them',
    counts: true,
    read: (now) => now.joins.late,
  },
  {
    name: 'freeplay.gateway.events.dropped',
    unit: '{event}',
    description: 'Log events given up: their span did not come, or there was no room',
    counts: true,
    read: (now) => now.joins.dropped,
  },
  {
    name: 'freeplay.gateway.spans.unrouted',
    unit: '{span}',
    description: 'Spans that no route takes',
    counts: true,
    read: (now) => now.unrouted,
  },
];

/** In seconds: an answer comes after delivery, so that it takes what the API takes. */
const DURATION_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetricsPage(): MetricsPage {
  const resource = resourceFromAttributes({
    'service.name': 'freeplay-otel-gateway',
    'service.version': VERSION,
  });
  const exporter = new PrometheusExporter({ preventServerStart: true });
  const meterProvider = new MeterProvider({ readers: [exporter], resource });
  const meter = meterProvider.getMeter('opentelemetry-exporter-freeplay/gateway', VERSION);
  const requests = meter.createCounter('freeplay.gateway.requests', {
    unit: '{request}',
    description: 'OTLP requests, by signal and by the status they were answered with',
  });
  const refusals = meter.createCounter('freeplay.gateway.refusals', {
    unit: '{request}',
    description: 'OTLP requests that were not taken, by reason',
  });
  const items = meter.createCounter('freeplay.gateway.items', {
    unit: '{item}',
    description: 'Spans and log records in the requests, those that could not be read apart',
  });
  const sent = meter.createCounter('freeplay.gateway.received', {
    unit: 'By',
    description: 'Bytes of request bodies, as they were sent and unpacked',
  });
  const duration = meter.createHistogram('freeplay.gateway.request.duration', {
    unit: 's',
    description: 'From the first byte of a request to its answer',
    advice: { explicitBucketBoundaries: DURATION_BOUNDS },
  });
  return {
    meterProvider,
    serve: (request, response) => exporter.getMetricsRequestHandler(request, response),
    count({ signal, verdict, status, items: read, rejectedItems, sentBytes, bytes, millis }) {
      requests.add(1, { signal, 'http.response.status_code': status });
      if (verdict.kind !== 'done') refusals.add(1, { signal, reason: verdict.reason });
      if (read > 0) items.add(read, { signal, result: 'read' });
      if (rejectedItems > 0) items.add(rejectedItems, { signal, result: 'rejected' });
      if (sentBytes > 0) sent.add(sentBytes, { signal, form: 'sent' });
      if (bytes > 0) sent.add(bytes, { signal, form: 'unpacked' });
      duration.record(millis / 1000, { signal });
    },
    countClientError: (status) => requests.add(1, { 'http.response.status_code': status }),
    watch(levels) {
      for (const { name, unit, description, counts, read } of LEVELS) {
        const instrument = counts
          ? meter.createObservableCounter(name, { unit, description })
          : meter.createObservableGauge(name, { unit, description });
        instrument.addCallback((result) => result.observe(read(levels())));
      }
    },
    close: () => meterProvider.shutdown(),
  };
}
