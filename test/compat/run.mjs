/**
 * The compatibility matrix: the packed package under SDK 1.x, 2.x and 3.x, by `require` and by `import`, behind both processors.
 *
 *     node test/compat/run.mjs           the SDK matrix (needs `npm run build` first)
 *     node test/compat/run.mjs --nodes   the package alone, on the oldest supported Node, 22 and 24
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/**
 * @typedef {{ path: string, body: string }} Posted
 * @typedef {{ answer: string, posted: Posted[], otherSpans: { name: string, keys: string[] }[], warnings: { code?: string, message: string }[], ledger: any }} Result
 * @typedef {1 | 2 | 3} Major
 * @typedef {'cjs' | 'esm'} Format
 */

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '..', '..');
/** @type {readonly Major[]} */
const MAJORS = [1, 2, 3];
/** @type {readonly Format[]} */
const FORMATS = ['cjs', 'esm'];
/** The oldest that `engines` names, and the two lines after it. */
const NODES = ['20.18.1', '22', '24'];
/** What SDK 3.x runs on; it refuses older ones. */
const NODE_FOR_SDK_3 = '24';
/** Spans of the scenario: all of them have to reach the other exporter. */
const SPAN_COUNT = 9;

const exec = promisify(execFile);
let passed = 0;
let failed = 0;

const packed = await mkdtemp(join(tmpdir(), 'freeplay-otel-pack-'));
try {
  const tarball = await packPackage();
  if (process.argv.includes('--nodes')) await checkNodes(tarball);
  else await checkSdks(tarball);
} finally {
  await rm(packed, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

async function packPackage() {
  if (!existsSync(join(ROOT, 'dist', 'index.mjs')))
    throw new Error('dist is missing: run `npm run build` first');
  // Scripts would build again.
  const { stdout } = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', packed], ROOT);
  return join(packed, JSON.parse(stdout)[0].filename);
}

/** @param {string} tarball */
async function checkSdks(tarball) {
  const node3 = await nodeBinary(NODE_FOR_SDK_3);
  for (const major of MAJORS) {
    await check(`SDK ${major}.x: the package installs beside it without a conflict`, () =>
      install(major, tarball),
    );
  }
  /** @param {Major} major @param {Format} format @param {string} mode */
  const run = (major, format, mode) =>
    runScenario(major === 3 ? node3 : process.execPath, major, format, mode);

  /** @type {Map<string, Result>} */
  const results = new Map();
  for (const mode of ['batch', 'simple', 'processor']) {
    for (const major of MAJORS) {
      for (const format of FORMATS) {
        const name = `SDK ${major}.x ${format} ${mode}`;
        await check(
          `${name}: everything is delivered and the other exporter still gets every span, ${mode === 'processor' ? 'stamped' : 'unchanged'}`,
          async () => {
            const result = await run(major, format, mode);
            results.set(`${major} ${format} ${mode}`, result);
            assertWholeRun(result, mode === 'processor');
          },
        );
      }
    }
    const reference = results.get(`2 esm ${mode}`);
    for (const major of MAJORS) {
      for (const format of FORMATS) {
        if (major === 2 && format === 'esm') continue;
        await check(
          `SDK ${major}.x ${format} ${mode}: bodies are byte-equal to those of SDK 2.x esm ${mode}`,
          () => assertSamePosts(results.get(`${major} ${format} ${mode}`), reference),
        );
      }
    }
  }
  await check('the processor and one whole batch record the same, byte for byte', () =>
    assertSamePosts(results.get('2 esm processor'), results.get('2 esm batch')),
  );
  await check('batch and simple record the same completions', () => {
    const ids = (/** @type {string} */ mode) => completionIds(results.get(`2 esm ${mode}`));
    if (ids('batch') !== ids('simple'))
      throw new Error(`batch has ${ids('batch')}, simple has ${ids('simple')}`);
  });

  // SDK 1.x does not say whether a parent is in another process.
  await check('a remote parent: bodies of SDK 2.x and 3.x are byte-equal', async () =>
    assertSamePosts(await run(3, 'esm', 'remote'), await run(2, 'esm', 'remote')),
  );
  for (const major of MAJORS) {
    for (const format of FORMATS) {
      await check(
        `SDK ${major}.x ${format} without a key: one clear warning, nothing is sent, the app works`,
        async () => assertWarnedOnce(await run(major, format, 'no-key')),
      );
    }
  }
}

/** @param {string} tarball */
async function checkNodes(tarball) {
  await install(2, tarball);
  const project = projectOf(2);
  const cli = join(project, 'node_modules', '.bin', 'freeplay-otel');
  for (const version of NODES) {
    await check(`Node ${version}: require, import and convertSpans`, async () => {
      const node = await nodeBinary(version);
      const { stdout } = await exec(node, [join(HERE, 'smoke.mjs'), project], { env: cleanEnvironment() });
      return stdout.trim();
    });
    await check(`Node ${version}: the command answers --help`, async () => {
      const { stdout } = await exec(await nodeBinary(version), [cli, '--help'], { env: cleanEnvironment() });
      if (!stdout.includes('freeplay-otel')) throw new Error(`it printed: ${stdout}`);
    });
    await check(`Node ${version}: the local server keeps records with the SQLite there is`, async () => {
      const args = [join(HERE, 'local-server.mjs'), cli];
      const { stdout } = await exec(await nodeBinary(version), args, { env: cleanEnvironment() });
      return stdout.trim();
    });
  }
}

/** @param {Result} result @param {boolean} isStamped */
function assertWholeRun({ answer, posted, otherSpans, warnings, ledger }, isStamped) {
  if (answer !== 'A sunny day in Lisbon, 23 °C.')
    throw new Error(`the app answered ${JSON.stringify(answer)}`);
  if (otherSpans.length !== SPAN_COUNT)
    throw new Error(`the other exporter got ${otherSpans.length} of ${SPAN_COUNT} spans`);
  const strange = otherSpans.flatMap(({ keys }) => keys).filter((key) => key.startsWith('freeplay.'));
  if (isStamped !== strange.length > 0) throw new Error(`stamps: ${strange.join(', ') || 'none'}`);
  if (ledger.spans.seen !== SPAN_COUNT) throw new Error(`the ledger saw ${ledger.spans.seen} spans`);
  const { created, delivered } = ledger.records;
  if (created === 0 || delivered !== created || posted.length !== created) {
    throw new Error(
      `${created} created, ${delivered} delivered, ${posted.length} arrived: ${JSON.stringify(ledger)}`,
    );
  }
  const completions = posted.filter(({ path }) => path.endsWith('/completions'));
  if (completions.length !== 4) throw new Error(`${completions.length} completions for 4 model calls`);
  if (!completions.some(({ body }) => body.includes('Say it nicely')))
    throw new Error('content of log events is missing');
  if (warnings.length > 0) throw new Error(`warned: ${warnings.map(({ message }) => message).join('; ')}`);
}

/** @param {Result | undefined} result @param {Result | undefined} reference */
function assertSamePosts(result, reference) {
  if (result === undefined || reference === undefined)
    throw new Error('there is nothing to compare: its run failed');
  if (result.posted.length !== reference.posted.length) {
    throw new Error(
      `${result.posted.length} records instead of ${reference.posted.length}: ${missing(result, reference)}`,
    );
  }
  for (const [index, expected] of reference.posted.entries()) {
    const actual = result.posted[index];
    if (actual?.path !== expected.path) throw new Error(`path ${actual?.path} instead of ${expected.path}`);
    if (actual.body !== expected.body)
      throw new Error(`at ${expected.path}\n${firstDifference(actual.body, expected.body)}`);
  }
}

/** @param {Result} result @param {Result} reference */
function missing(result, reference) {
  const paths = new Set(result.posted.map(({ path }) => path));
  const gone = reference.posted.filter(({ path }) => !paths.has(path)).map(({ path }) => path);
  return gone.length === 0 ? 'same paths' : `without ${gone.join(', ')}`;
}

/** @param {string} actual @param {string} expected */
function firstDifference(actual, expected) {
  let at = 0;
  while (at < actual.length && actual[at] === expected[at]) at += 1;
  const from = Math.max(0, at - 60);
  return `  has       …${actual.slice(from, at + 60)}\n  should be …${expected.slice(from, at + 60)}`;
}

/** @param {Result | undefined} result */
function completionIds(result) {
  const completions = result?.posted.filter(({ path }) => path.endsWith('/completions')) ?? [];
  return completions
    .map(({ body }) => JSON.parse(body).completion_id)
    .sort()
    .join(', ');
}

/** @param {Result} result */
function assertWarnedOnce({ answer, posted, otherSpans, warnings, ledger }) {
  if (answer !== 'A sunny day in Lisbon, 23 °C.')
    throw new Error(`the app answered ${JSON.stringify(answer)}`);
  if (posted.length > 0) throw new Error(`${posted.length} records were sent`);
  if (otherSpans.length !== SPAN_COUNT)
    throw new Error(`the other exporter got ${otherSpans.length} of ${SPAN_COUNT} spans`);
  const texts = warnings.map(({ code, message }) => `${code} ${message}`);
  if (texts.length !== 1) throw new Error(`${texts.length} warnings: ${texts.join('; ')}`);
  if (!/^FREEPLAY_OTEL_/.test(texts[0] ?? '') || !/FREEPLAY_API_KEY/.test(texts[0] ?? '')) {
    throw new Error(`the warning does not say what is missing: ${texts[0]}`);
  }
  if (ledger.records.created !== 0) throw new Error(`${ledger.records.created} records were made`);
}

/**
 * @param {string} name
 * @param {() => unknown} run throws if the check fails; a string it gives back is printed
 */
async function check(name, run) {
  try {
    const note = await run();
    passed += 1;
    console.log(`ok    ${name}${typeof note === 'string' && note !== '' ? ` (${note})` : ''}`);
  } catch (error) {
    failed += 1;
    const { message, stderr = '' } = /** @type {Error & { stderr?: string }} */ (error);
    console.log(`FAIL  ${name}\n${`${message}\n${stderr}`.trim().replace(/^/gm, '      ')}`);
  }
}

/** @param {Major} major */
function projectOf(major) {
  return join(HERE, `sdk-${major}`);
}

/** @param {Major} major @param {string} tarball */
async function install(major, tarball) {
  const project = projectOf(major);
  const quiet = ['--no-audit', '--no-fund', '--prefer-offline'];
  await npm(['ci', ...quiet], project);
  // The database of `freeplay-otel local` is of no use here.
  await npm(['install', '--no-save', '--omit=optional', ...quiet, tarball], project);
}

/** @param {string} node @param {Major} major @param {Format} format @param {string} mode @returns {Promise<Result>} */
async function runScenario(node, major, format, mode) {
  const args = [join(HERE, 'scenario.mjs'), projectOf(major), String(major), format, mode];
  const { stdout } = await exec(node, args, {
    env: cleanEnvironment(),
    timeout: 60_000,
    maxBuffer: 16 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}

/** The path of a Node of that version, which npm fetches if need be. @param {string} version */
async function nodeBinary(version) {
  if (process.versions.node.split('.')[0] === version) return process.execPath;
  const { stdout } = await npm(
    ['exec', '--yes', `--package=node@${version}`, '--', 'node', '-p', 'process.execPath'],
    ROOT,
  );
  return stdout.trim();
}

/** @param {string[]} args @param {string} cwd */
function npm(args, cwd) {
  return exec('npm', args, { cwd, maxBuffer: 16 * 1024 * 1024 });
}

/** Without what the developer's shell may say to us or to an SDK. */
function cleanEnvironment() {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(FREEPLAY_|OTEL_|NODE_OPTIONS$)/.test(name),
  );
  return Object.fromEntries(entries);
}
