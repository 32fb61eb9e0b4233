/**
 * Writes down what the libraries reported, as captured spans: `node examples/demo/main.mjs --record FILE`. What `freeplay-otel demo`
 * plays, where these libraries are not installed, was written like this. An application needs none of it.
 */
import { writeFile } from 'node:fs/promises';

/**
 * @typedef {object} Recorder
 * @property {import('@opentelemetry/sdk-trace-node').SpanProcessor} spanProcessor
 * @property {import('@opentelemetry/sdk-logs').LogRecordProcessor} logRecordProcessor
 * @property {(file: string) => Promise<void>} write
 */

/** @returns {Recorder} */
export function startRecorder() {
  /** @type {object[]} */
  const spans = [];
  /** @type {object[]} */
  const logs = [];
  const nothing = async () => {};
  return {
    spanProcessor: {
      onStart() {},
      onEnd: (span) => void spans.push(toCapture(span)),
      forceFlush: nothing,
      shutdown: nothing,
    },
    logRecordProcessor: {
      onEmit(log) {
        const { spanContext, eventName, body, attributes, hrTime, instrumentationScope } = log;
        const { traceId, spanId } = spanContext ?? {};
        logs.push({
          traceId,
          spanId,
          eventName,
          timeUnixNano: nanos(hrTime),
          body,
          attributes,
          scope: instrumentationScope,
        });
      },
      forceFlush: nothing,
      shutdown: nothing,
    },
    async write(file) {
      // Stack traces name folders of this machine.
      const text = JSON.stringify({ spans, logs }, null, 2).replace(
        /file:\/\/\/[^\s"]*?\/node_modules\//g,
        'file:///app/node_modules/',
      );
      await writeFile(file, `${text}\n`);
    },
  };
}

/** @param {import('@opentelemetry/sdk-trace-node').ReadableSpan} span */
function toCapture(span) {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId,
    name: span.name,
    kind: span.kind,
    startTimeUnixNano: nanos(span.startTime),
    endTimeUnixNano: nanos(span.endTime),
    attributes: { ...span.attributes },
    events: span.events.map(({ name, time, attributes }) => ({
      name,
      timeUnixNano: nanos(time),
      attributes,
    })),
    status: span.status,
    scope: { name: span.instrumentationScope.name, version: span.instrumentationScope.version },
    resource: { attributes: span.resource.attributes },
  };
}

/** @param {readonly [number, number]} time */
function nanos([seconds, nanoseconds]) {
  return String(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));
}
