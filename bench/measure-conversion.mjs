/**
 * What costs without any network: conversion beside the serialisers of OTLP, and what a processor takes of the app's own time when
 * a span starts and ends. Prints one line of JSON; all figures are microseconds of CPU.
 *
 *     node --expose-gc measure-conversion.mjs JOB
 */
import { JsonTraceSerializer, ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { median } from './statistics.mjs';
import {
  CALLS_PER_TRACE,
  createProvider,
  createTraffic,
  isModelCall,
  PROJECT_ID,
  plainSpans,
  playPlainSpans,
} from './traffic.mjs';

/** @typedef {{ size: import('./traffic.mjs').Size, spans: number, repeats: number, warmMillis: number, withSpanLife: boolean, package: string }} Job */

/** As `BatchSpanProcessor` has them. */
const BATCH = 510;
/** Of one round, where spans really start and end. */
const PLAIN_SPANS = 2_000;
const TRACES = 25;

/** @type {Job} */
const job = JSON.parse(process.argv[2] ?? '');
const { convertSpans, FreeplaySpanProcessor } = await import(job.package);

const traffic = createTraffic(job.size);
const spans = traffic.spans(job.spans);
const modelCalls = spans.filter(isModelCall).length;
const plain = plainSpans(5_000);

/** @type {Record<string, () => number>} How many bytes or characters, so that nothing is optimised away. */
const conversions = {
  protobuf: () => inBatches((batch) => ProtobufTraceSerializer.serializeRequest(batch)?.length ?? 0),
  json: () => inBatches((batch) => JsonTraceSerializer.serializeRequest(batch)?.length ?? 0),
  completions: () => inBatches((batch) => textOf(batch, 'completions')),
  all: () => inBatches((batch) => textOf(batch, 'all')),
};
const perCall = measureEach(conversions, modelCalls);
const { plainConversion } = measureEach(
  { plainConversion: () => textOf(plain, 'completions') + plain.length },
  plain.length,
);
const life = job.withSpanLife && {
  plainLife: await measureSpanLife((getTracer) => playPlainSpans(getTracer, PLAIN_SPANS), PLAIN_SPANS),
  callLife: await measureSpanLife((getTracer) => traffic.play(getTracer, TRACES), TRACES * CALLS_PER_TRACE),
};
console.log(
  JSON.stringify({
    node: process.version,
    spans: job.spans,
    modelCalls,
    ...perCall,
    plainConversion,
    ...life,
  }),
);
process.exit(0);

/** @param {(batch: import('./traffic.mjs').Span[]) => number} convert */
function inBatches(convert) {
  let size = 0;
  for (let i = 0; i < spans.length; i += BATCH) size += convert(spans.slice(i, i + BATCH));
  return size;
}

/** @param {import('./traffic.mjs').Span[]} batch @param {'completions' | 'all'} records */
function textOf(batch, records) {
  let size = 0;
  for (const { body } of convertSpans(batch, { projectId: PROJECT_ID, records }))
    size += JSON.stringify(body).length;
  return size;
}

/**
 * Medians of interleaved repeats, by name.
 *
 * @param {Record<string, () => number>} works
 * @param {number} count what a work's cost is divided by
 */
function measureEach(works, count) {
  const entries = Object.entries(works);
  for (const [name, work] of entries) {
    const end = performance.now() + job.warmMillis;
    while (performance.now() < end) if (work() === 0) throw new Error(`${name} makes nothing`);
  }
  const costs = new Map(entries.map(([name]) => [name, /** @type {number[]} */ ([])]));
  for (let i = 0; i < job.repeats; i++) {
    for (const [name, work] of entries) {
      globalThis.gc?.();
      const cpu = process.cpuUsage();
      work();
      costs.get(name)?.push(microsSince(cpu) / count);
    }
  }
  return Object.fromEntries(entries.map(([name]) => [name, median(costs.get(name) ?? [])]));
}

/**
 * Spans that really start and end, with a processor and without: the difference is what the app's own code waits for.
 *
 * @param {(getTracer: (name: string) => import('@opentelemetry/api').Tracer) => void} play
 * @param {number} count what costs are divided by
 */
async function measureSpanLife(play, count) {
  const processors = {
    none: [],
    // Stands for any exporter: what it does comes later.
    batch: [new BatchSpanProcessor({ export: (_, done) => done({ code: 0 }), shutdown: async () => {} })],
    ours: [
      new FreeplaySpanProcessor({
        apiKey: 'bench-key',
        projectId: PROJECT_ID,
        baseUrl: 'http://127.0.0.1:9',
        dispatcher: acceptingDispatcher(),
      }),
    ],
  };
  const players = Object.values(processors).map((list) => {
    const provider = createProvider(...list);
    const getTracer = (/** @type {string} */ name) => provider.getTracer(name, '1.0.0');
    return { provider, getTracer, path: [], later: [] };
  });
  for (let round = -job.repeats; round < 2 * job.repeats; round++) {
    for (const { provider, getTracer, path, later } of players) {
      globalThis.gc?.(); // or the next one pays for what this one leaves behind
      let cpu = process.cpuUsage();
      play(getTracer);
      const pathMicros = microsSince(cpu) / count;
      cpu = process.cpuUsage();
      await provider.forceFlush();
      if (round < 0) continue; // warming up
      path.push(pathMicros);
      later.push(microsSince(cpu) / count);
    }
  }
  const [none, batch, ours] = players;
  // Round by round, so that what slows the machine down for a while is in both.
  const beyond = (/** @type {number[]} */ costs, /** @type {number[]} */ without) =>
    median(costs.map((cost, i) => cost - without[i]));
  return {
    itself: median(none.path),
    batchPath: beyond(batch.path, none.path),
    batchLater: beyond(batch.later, none.later),
    path: beyond(ours.path, none.path),
    later: beyond(ours.later, none.later),
  };
}

/** The API in this process: what a request costs is measured elsewhere. */
function acceptingDispatcher() {
  return {
    dispatch(/** @type {object} */ _, /** @type {import('undici').Dispatcher.DispatchHandler} */ handler) {
      const controller = /** @type {any} */ ({ abort() {} });
      handler.onRequestStart?.(controller, {});
      queueMicrotask(() => {
        handler.onResponseStart?.(controller, 201, {});
        handler.onResponseEnd?.(controller, {});
      });
      return true;
    },
  };
}

/** @param {NodeJS.CpuUsage} start */
function microsSince(start) {
  const { user, system } = process.cpuUsage(start);
  return user + system;
}
