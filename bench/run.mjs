/**
 * The bench: this exporter side by side with raw undici, OTLP/protobuf, OTLP/JSON and the official Freeplay SDK. What the columns
 * mean is in docs/performance.md.
 *
 *     npm run bench                      the whole table, about a quarter of an hour
 *     npm run bench -- --quick           the figures that limits are set for, below 90 seconds
 *     npm run bench -- --quick --check   exit code 1 where one misses its limit
 *     npm run bench -- --write           puts the tables into docs/performance.md
 *
 * A record of ours that does not arrive exactly once ends every run with exit code 1.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { CONTENDERS, FULL, planOf, QUICK } from './plan.mjs';
import { runJob, startSink, waitForQuiet } from './processes.mjs';
import { findLosses, insertReport, judge, renderReport } from './report.mjs';
import { buildPackage, installContenders } from './setup.mjs';
import { medianRow } from './statistics.mjs';

const PAGE = join(import.meta.dirname, '..', 'docs', 'performance.md');
/** Runs whose thread waited longer than this share of the time for a CPU are repeated, while there is time. */
const DISTURBED = 0.1;

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string' },
    rounds: { type: 'string' },
    spans: { type: 'string' },
    package: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (flags.help) {
  console.log(`npm run bench -- [options]

  --quick          only what limits are set for, one round: below 90 seconds
  --check          exit code 1 where a limit is missed
  --write          put the tables into docs/performance.md
  --json FILE      write all figures as JSON, too
  --only A,B       these contenders alone: ${Object.keys(CONTENDERS).join(', ')}
  --rounds N       runs of each
  --spans N        most spans of a run, to try something out
  --package FILE   measure this build (its index.mjs) and not the sources

Exit code 0: every record arrived, and with --check every limit holds.`);
  process.exit(0);
}

const only = flags.only?.split(',');
for (const name of only ?? []) if (!CONTENDERS[name]) fail(`there is no contender "${name}"`);
for (const name of /** @type {const} */ (['rounds', 'spans']))
  if (flags[name] !== undefined && !/^[1-9]\d*$/.test(flags[name])) fail(`--${name} takes a number`);
const start = Date.now();
const settings = settingsFrom(flags.quick ? QUICK : FULL);
say('installing the contenders, building the package');
await installContenders();
const packageUrl = flags.package ? pathToFileURL(resolve(flags.package)).href : await buildPackage();

/** @type {import('./report.mjs').Results} */
const results = {};
const plan = planOf(settings, { isQuick: flags.quick, only });
const total = plan.reduce((sum, { rounds, runs }) => sum + rounds * runs.length, 0);
let planned = 0;
for (const section of plan) {
  planned += section.rounds * section.runs.length;
  results[section.id] = await measureSection(section, start + settings.budgetMillis * (planned / total));
}

const report = renderReport(results, await headingOf());
console.log(report);
if (flags.json) await writeFile(flags.json, `${JSON.stringify(results, undefined, 1)}\n`);
if (flags.write) await writeFile(PAGE, insertReport(await readFile(PAGE, 'utf8'), report));

const losses = findLosses(results);
for (const loss of losses) console.error(`error: ${loss}`);
const missed = flags.check ? judge(results).filter(({ verdict }) => !['goal', 'ok'].includes(verdict)) : [];
for (const { what, verdict } of missed) console.error(`error: ${what}: ${verdict}`);
process.exitCode = losses.length + missed.length > 0 ? 1 : 0;

/** @param {import('./plan.mjs').Settings} base */
function settingsFrom(base) {
  const most = Number(flags.spans ?? Number.POSITIVE_INFINITY);
  const { S, M, L } = base.spans;
  return {
    ...base,
    rounds: Number(flags.rounds ?? base.rounds),
    spans: { S: Math.min(S, most), M: Math.min(M, most), L: Math.min(L, most) },
    growth: base.growth.filter((count) => count <= Math.max(most, base.growth[0])),
  };
}

/**
 * Rounds of all its runs by turns, so that a slow minute of the machine meets everyone.
 *
 * @param {import('./plan.mjs').Section} section
 * @param {number} deadline After it, nothing is run a second time.
 */
async function measureSection({ id, latencyMillis, rounds, runs }, deadline) {
  const sink = await startSink(latencyMillis);
  /** @type {Map<string, Record<string, any>[]>} */
  const rows = new Map(runs.map(({ row }) => [row, []]));
  const most = rounds === 1 ? 1 : rounds * 2;
  try {
    for (let round = 0; round < most; round++) {
      for (const { row, contender, script, job } of runs) {
        const done = rows.get(row) ?? [];
        if (round > 0 && (Date.now() > deadline || calm(done) >= rounds)) continue;
        await waitForQuiet(settings.quietMillis);
        say(`${id}, ${row}${rounds > 1 ? `, round ${round + 1}` : ''}`);
        const result = await runJob(script, { ...job, url: sink.url, package: packageUrl });
        done.push(withDelivered(result, contender));
      }
    }
  } finally {
    sink.stop();
  }
  return Object.fromEntries([...rows].map(([row, done]) => [row, bestOf(done, rounds)]));
}

/** How many runs had the CPU to themselves. @param {Record<string, any>[]} runs */
function calm(runs) {
  return runs.filter(({ waitShare }) => !(waitShare > DISTURBED)).length;
}

/** The median of the least disturbed; one that failed fails the row. @param {Record<string, any>[]} runs @param {number} count */
function bestOf(runs, count) {
  const failed = runs.find((run) => run.failed !== undefined);
  if (failed) return failed;
  const sorted = runs.toSorted((a, b) => (a.waitShare || 0) - (b.waitShare || 0));
  const best = medianRow(sorted.slice(0, count));
  // Whatever was lost in any run counts.
  return { ...best, problems: runs.flatMap(({ problems = [] }) => problems), ...worstDelivered(runs) };
}

/** @param {Record<string, any>[]} runs */
function worstDelivered(runs) {
  const shares = runs.flatMap(({ delivered }) => delivered ?? []);
  return shares.length === 0 ? {} : { delivered: shares.find((share) => share !== 1) ?? 1 };
}

/** @param {Record<string, any>} result @param {string | undefined} name */
function withDelivered(result, name) {
  const contender = name === undefined ? undefined : CONTENDERS[name];
  if (!contender?.posts || result.failed !== undefined) return result;
  const expected = contender.records === 'all' ? result.spans : result.modelCalls;
  return { ...result, delivered: result.posts / expected };
}

async function headingOf() {
  const lock = JSON.parse(await readFile(join(import.meta.dirname, 'package-lock.json'), 'utf8'));
  const version = (/** @type {string} */ name) => lock.packages[`node_modules/${name}`].version;
  return [
    `Node ${process.versions.node}, ${process.platform} ${process.arch}, ${cpus().length} × ${cpus()[0]?.model.trim()};`,
    `undici ${version('undici')}, OTLP exporters ${version('@opentelemetry/exporter-trace-otlp-proto')},`,
    `Freeplay SDK ${version('freeplay')}; ${settings.rounds === 1 ? 'one round' : `${settings.rounds} rounds`}.`,
  ].join(' ');
}

/** @param {string} message */
function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

/** @param {string} text */
function say(text) {
  console.error(`${String(Math.round((Date.now() - start) / 1_000)).padStart(4)} s  ${text}`);
}
