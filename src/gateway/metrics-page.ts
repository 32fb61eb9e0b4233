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
      const level = (name: string, unit: string, description: string, read: (now: GatewayLevels) => number) =>
        meter
          .createObservableGauge(name, { unit, description })
          .addCallback((result) => result.observe(read(levels())));
      const counter = (
        name: string,
        unit: string,
        description: string,
        read: (now: GatewayLevels) => number,
      ) =>
        meter
          .createObservableCounter(name, { unit, description })
          .addCallback((result) => result.observe(read(levels())));
      level(
        'freeplay.gateway.requests.inflight',
        '{request}',
        'Requests without an answer',
        (now) => now.requestsInFlight,
      );
      level('freeplay.gateway.bytes.inflight', 'By', 'Bytes of their bodies', (now) => now.bytesInFlight);
      level(
        'freeplay.gateway.requests.open',
        '{request}',
        'Requests that may be sent again, and are recognised then',
        (now) => now.openRequests,
      );
      level(
        'freeplay.gateway.traces.remembered',
        '{trace}',
        'Traces that spans which come later find their place in',
        (now) => now.traces.remembered,
      );
      counter(
        'freeplay.gateway.traces.forgotten',
        '{trace}',
        'Traces forgotten to make room: what comes of them later is placed by its own word alone',
        (now) => now.traces.forgotten,
      );
      level(
        'freeplay.gateway.spans.waiting',
        '{span}',
        'Spans that wait for their log events',
        (now) => now.joins.waiting,
      );
      level(
        'freeplay.gateway.events.waiting',
        '{span}',
        'Spans that log events wait for',
        (now) => now.joins.awaited,
      );
      counter(
        'freeplay.gateway.events.late',
        '{event}',
        'Log events whose span had been recorded without them',
        (now) => now.joins.late,
      );
      counter(
        'freeplay.gateway.events.dropped',
        '{event}',
        'Log events given up: their span did not come, or there was no room',
        (now) => now.joins.dropped,
      );
      counter(
        'freeplay.gateway.spans.unrouted',
        '{span}',
        'Spans that no route takes',
        (now) => now.unrouted,
      );
    },
    close: () => meterProvider.shutdown(),
  };
}
