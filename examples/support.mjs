/**
 * What the demo and the examples share, and a real application does not need: somewhere to send records to, and a look at what
 * has arrived there.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
// Not part of the package's public API: the program `freeplay-otel local` is made of these.
import { renderTree } from '../dist/local/describe.mjs';
import { startLocalServer } from '../dist/local/server.mjs';

/**
 * @typedef {import('opentelemetry-exporter-freeplay').FreeplayRecord} FreeplayRecord
 * @typedef {ReturnType<import('opentelemetry-exporter-freeplay').FreeplaySpanProcessor['ledger']>} Ledger
 * @typedef {{ kind: string, id: string }} Arrived
 */

/**
 * @typedef {object} Target
 * @property {string} description Where records go, in words.
 * @property {(() => Arrived[]) | undefined} arrived What the local server has; `undefined` with the real service.
 * @property {string | undefined} page Where to look at records in the browser; `undefined` with the real service.
 * @property {() => Promise<void>} close
 */

/**
 * Where records go: the real service if the environment names a key and a project, else a local server that lives as long as
 * this process, for which the environment is filled in. Either way `new FreeplaySpanProcessor()` finds its settings there.
 *
 * @returns {Promise<Target>}
 */
export async function openTarget() {
  const { FREEPLAY_API_KEY, FREEPLAY_PROJECT_ID, FREEPLAY_API_BASE } = process.env;
  if (FREEPLAY_API_KEY && FREEPLAY_PROJECT_ID) {
    const base = FREEPLAY_API_BASE || 'https://app.freeplay.ai/api';
    return {
      description: `the real service, ${base}, project ${FREEPLAY_PROJECT_ID}`,
      arrived: undefined,
      page: undefined,
      close: async () => {},
    };
  }
  const dir = await mkdtemp(join(tmpdir(), 'freeplay-otel-'));
  // On this machine alone, and without a key of its own, so that the page asks for none.
  const server = await startLocalServer({ port: 0, dir });
  process.env.FREEPLAY_API_KEY = 'any';
  process.env.FREEPLAY_PROJECT_ID = randomUUID();
  process.env.FREEPLAY_API_BASE = `${server.url}/api`;
  return {
    description: `a local server at ${server.url} (${server.store.persistent ? `database in ${dir}` : 'in memory'})`,
    arrived: () => server.store.list(),
    page: server.url,
    async close() {
      await server.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/**
 * Prints records as a tree, and the exporter's books below it.
 *
 * @param {Iterable<FreeplayRecord>} records
 * @param {Ledger} ledger
 */
export function printRecords(records, ledger) {
  const width = process.stdout.columns ?? 130;
  console.log(renderTree(records, { colour: process.stdout.isTTY === true && !process.env.NO_COLOR, width }));
  console.log(`\n${ledgerTable(ledger)}`);
}

/**
 * The ledger as a small table.
 *
 * @param {Ledger} ledger
 */
function ledgerTable({ spans, records, bytes, retries, lastError }) {
  const reasons = Object.entries(records.dropped).filter(([, count]) => count > 0);
  const dropped = reasons.reduce((sum, [, count]) => sum + count, 0);
  const { seen, converted, skipped } = spans;
  const { created, delivered, rejected, spooled, pending } = records;
  return [
    'ledger',
    tableRow('spans', { seen, converted, skipped }),
    tableRow('records', { created, delivered, rejected, dropped, spooled, pending }),
    tableRow('sending', { retries, 'bytes in hand': bytes }),
    ...(dropped > 0
      ? [`  dropped    ${reasons.map(([reason, count]) => `${count} ${reason}`).join(', ')}`]
      : []),
    ...(lastError ? [`  last error ${lastError}`] : []),
  ].join('\n');
}

/** @param {string} name @param {Record<string, number>} cells */
function tableRow(name, cells) {
  const columns = Object.entries(cells).map(([label, count]) => `${label} ${count}`.padEnd(14));
  return `  ${name.padEnd(11)}${columns.join('')}`.trimEnd();
}

/**
 * What is wrong with a run, in sentences; empty if all went well. Looks at the books, then asks the local server itself.
 *
 * @param {Target} target
 * @param {readonly FreeplayRecord[]} records
 * @param {Ledger} ledger
 */
export function findProblems(target, records, ledger) {
  const problems = [];
  if (records.length === 0) problems.push('no record was made');
  const { created, delivered } = ledger.records;
  if (delivered !== created) problems.push(`only ${delivered} of ${created} records were delivered`);
  if (target.arrived !== undefined) {
    const arrived = new Set(target.arrived().map(({ kind, id }) => `${kind} ${id}`));
    for (const { kind, id } of records) {
      if (!arrived.has(`${kind} ${id}`)) problems.push(`the server does not have ${kind} ${id}`);
    }
    if (arrived.size > records.length)
      problems.push(`the server has ${arrived.size} records, made were ${records.length}`);
  }
  return problems;
}

/**
 * Runs an example: opens the target, lets it work, shows what was recorded, tidies up. The process then ends by itself, with
 * exit code 1 if something is missing.
 *
 * @param {string} title
 * @param {(onRecord: (record: FreeplayRecord) => void) => Promise<{ ledger(): Ledger }>} example gives back its processor
 */
export async function runExample(title, example) {
  const target = await openTarget();
  try {
    console.log(`${title}: records go to ${target.description}\n`);
    /** @type {FreeplayRecord[]} */
    const records = [];
    const exporter = await example((record) => records.push(record));
    printRecords(records, exporter.ledger());
    reportProblems(findProblems(target, records, exporter.ledger()));
  } finally {
    await target.close();
  }
}

/** @param {readonly string[]} problems */
export function reportProblems(problems) {
  for (const problem of problems) console.error(`error: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
