import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { batched } from './contender.mjs';

/** @param {import('./contender.mjs').Options} options */
export function create({ url }) {
  return batched(new OTLPTraceExporter({ url: `${url}/v1/traces` }));
}
