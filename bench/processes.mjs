/** The processes of a run: the sink on one CPU, one contender at a time on another, where the system can do that. */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const HERE = import.meta.dirname;
const RUN_LIMIT_MILLIS = 120_000;

const canPin = process.platform === 'linux' && availableParallelism() > 1 && hasTaskset();

/** @param {number} latencyMillis @returns {Promise<{ url: string, stop: () => void }>} */
export function startSink(latencyMillis) {
  const sink = startNode(1, ['sink.mjs', String(latencyMillis)], ['pipe', 'pipe', 'inherit']);
  return new Promise((resolve, reject) => {
    sink.once('error', reject);
    sink.once('exit', (code) => reject(new Error(`the sink ended with code ${code}`)));
    createInterface({ input: sink.stdout }).once('line', (line) =>
      resolve({ url: `http://127.0.0.1:${JSON.parse(line).port}`, stop: () => sink.stdin.end() }),
    );
  });
}

/**
 * Runs a script of this folder with a job; the last line it prints is its result.
 *
 * @param {string} script
 * @param {{ limitMillis?: number }} job
 * @returns {Promise<Record<string, any>>} with `failed`, a text, if there is none
 */
export function runJob(script, job) {
  const child = startNode(
    0,
    ['--expose-gc', '--no-warnings', script, JSON.stringify(job)],
    ['ignore', 'pipe', 'pipe'],
  );
  let out = '';
  let errors = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    errors += chunk;
  });
  const limit = setTimeout(() => child.kill('SIGKILL'), job.limitMillis ?? RUN_LIMIT_MILLIS);
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(limit);
      try {
        resolve(JSON.parse(out.trim().split('\n').at(-1) ?? ''));
      } catch {
        resolve({ failed: `exit ${code}: ${errors.trim().slice(-800)}` });
      }
    });
  });
}

/** @param {number} cpu @param {string[]} args @param {import('node:child_process').StdioOptions} stdio */
function startNode(cpu, args, stdio) {
  const [command, ...rest] = canPin
    ? ['taskset', '-c', String(cpu), process.execPath, ...args]
    : [process.execPath, ...args];
  return spawn(command, rest, { cwd: HERE, env: cleanEnvironment(), stdio });
}

/** Without what the developer's shell may say to us, to an SDK, or of proxies. */
function cleanEnvironment() {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(FREEPLAY_|OTEL_|NODE_OPTIONS$)|_proxy$/i.test(name),
  );
  return Object.fromEntries(entries);
}

function hasTaskset() {
  try {
    execFileSync('taskset', ['-V'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/**
 * Waits for a moment in which the machine has nothing else to do: others' work makes every figure worse.
 *
 * @param {number} limitMillis
 */
export async function waitForQuiet(limitMillis) {
  const end = Date.now() + limitMillis;
  while (Date.now() < end) {
    const before = cpuTimes();
    await sleep(200);
    const after = cpuTimes();
    if (!before || !after) return;
    if ((after.idle - before.idle) / (after.all - before.all) > 0.85) return;
  }
}

function cpuTimes() {
  try {
    const line = readFileSync('/proc/stat', 'utf8').split('\n')[0];
    const ticks = line.trim().split(/\s+/).slice(1).map(Number);
    return { idle: ticks[3] + ticks[4], all: ticks.reduce((sum, n) => sum + n, 0) };
  } catch {
    return undefined;
  }
}
