/**
 * One contender in one process: warm up, let things settle, then measure. Prints one line of JSON.
 *
 *     node --expose-gc measure.mjs JOB
 */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { PROFILE_PARTS, startProfile } from './profile.mjs';
import { createTraffic, isModelCall, SPANS_PER_TRACE } from './traffic.mjs';

/**
 * @typedef {object} Job
 * @property {string} module Of the contender.
 * @property {'completions' | 'all'} records
 * @property {import('./traffic.mjs').Size} size
 * @property {number} spans
 * @property {number} rate Spans offered in a second, whatever becomes of them; 0: as fast as they are taken.
 * @property {number} warmMillis
 * @property {number} inFlight
 * @property {boolean} [profile] With the share of each part of the package, which costs some time itself.
 * @property {string} url
 * @property {string} package
 */

/** Spans that end before the next flush: whole traces, and no more than a `BatchSpanProcessor` queues by default. */
const WAVE = 2_040;
/** What the compiler has to see, or the time, whichever is first. */
const WARM_SPANS = 20_000;
const BYTES_PER_MB = 1_048_576;

/** @type {Job} */
const job = JSON.parse(process.argv[2] ?? '');
const traffic = createTraffic(job.size);
const { create } = await import(`./contenders/${job.module}.mjs`);
/** @type {import('./contenders/contender.mjs').Contender} */
const contender = await create(job);
contender.prepare?.(traffic.spans(traffic.distinct));

// Made before the warm-up: an app's spans come one by one, and the collector has not twenty thousand new ones at once to move.
const spans = traffic.spans(job.spans);
await warmUp();
const modelCalls = spans.filter(isModelCall).length;
console.log(JSON.stringify(await measure()));
process.exit(0);

async function warmUp() {
  const end = performance.now() + job.warmMillis;
  for (let done = 0; done < WARM_SPANS && performance.now() < end; done += WAVE) {
    await flood(traffic.spans(WAVE));
  }
  await sleep(50);
  globalThis.gc?.();
  await nextTurn();
  // A collection that was forced throws optimised code and the size of the heap away: settle again.
  await flood(traffic.spans(WAVE));
}

async function measure() {
  const before = await sinkStats();
  const memory = watchMemory();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await sleep(10); // one sample before, or a long block right at the start goes unseen

  const endProfile = job.profile ? await startProfile(job.package) : undefined;
  const waited = waitedMillis();
  const cpu = process.cpuUsage();
  const start = performance.now();
  if (job.rate > 0) await pace(spans);
  else await flood(spans);
  const wallMillis = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  const waitShare = (waitedMillis() - waited) / wallMillis;

  const shares = await endProfile?.();
  delay.disable();
  const memoryMb = memory.stop();
  const after = await sinkStats();
  const micros = user + system;
  return {
    node: process.version,
    spans: spans.length,
    modelCalls,
    wallMillis,
    cpuMicrosPerSpan: micros / spans.length,
    cpuMicrosPerCall: micros / modelCalls,
    cpuShare: micros / 1_000 / wallMillis,
    callsPerSecond: modelCalls / (wallMillis / 1_000),
    delayP50: delay.percentile(50) / 1e6,
    delayP99: delay.percentile(99) / 1e6,
    delayMax: delay.max / 1e6,
    memoryMb,
    requests: after.requests - before.requests,
    posts: after.posts - before.posts,
    sentMb: (after.bodyBytes - before.bodyBytes) / BYTES_PER_MB,
    connections: after.mostOpen,
    waitShare,
    ...(shares && partsOf(shares, micros / modelCalls)),
    problems: contender.problems(),
  };
}

/** Microseconds of a call, by part. @param {Record<string, number>} shares @param {number} micros */
function partsOf(shares, micros) {
  return Object.fromEntries(PROFILE_PARTS.map((part) => [part, (shares[part] ?? 0) * micros]));
}

/** @param {import('./traffic.mjs').Span[]} list */
async function flood(list) {
  for (let i = 0; i < list.length; i += WAVE) {
    for (const span of list.slice(i, i + WAVE)) contender.onEnd(span);
    await contender.flush();
  }
}

/** Traces end at a fixed rate, with no regard to how far their delivery is. @param {import('./traffic.mjs').Span[]} list */
async function pace(list) {
  const start = performance.now();
  let ended = 0;
  while (ended < list.length) {
    const due = ((performance.now() - start) / 1_000) * job.rate;
    const end = Math.min(list.length, Math.floor(due / SPANS_PER_TRACE) * SPANS_PER_TRACE);
    for (; ended < end; ended++) contender.onEnd(list[ended]);
    await sleep(2);
  }
  await contender.flush();
}

/** Growth of the resident set from here to its highest point. */
function watchMemory() {
  const start = process.memoryUsage.rss();
  let peak = start;
  const look = () => {
    peak = Math.max(peak, process.memoryUsage.rss());
  };
  const timer = setInterval(look, 25);
  return {
    stop() {
      clearInterval(timer);
      look();
      return (peak - start) / BYTES_PER_MB;
    },
  };
}

/** Milliseconds that this thread was ready and had no CPU: others' doing. Not a number where the system does not tell. */
function waitedMillis() {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

function sinkStats() {
  return new Promise((resolve, reject) => {
    get(`${job.url}/stats`, { agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text)));
    }).on('error', reject);
  });
}
