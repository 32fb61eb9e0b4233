/**
 * Makes what the tests need and nobody publishes ready to run, and prints where it is.
 *
 *   node test/collector/prepare.mjs collector    the Collector of otelcol.yaml: Go, about five minutes the first time
 *   node test/collector/prepare.mjs kafka        jars of a broker: Java and Maven
 *   node test/collector/prepare.mjs python|go    what the client programs need
 *
 * What was made is kept in the user's cache folder under a hash of what it was made from. `FREEPLAY_OTEL_COLLECTOR` names a
 * Collector that is there already. Exit code 3: a program that it takes is not installed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const EXIT_MISSING = 3;

/**
 * @typedef {object} Tool
 * @property {string} from what it is made from; a change of any file makes it anew
 * @property {string[]} takes programs
 * @property {(folder: string) => Promise<void>} make
 * @property {string} result inside of the folder
 */

/** @type {Record<string, Tool>} */
const TOOLS = {
  collector: { from: 'otelcol.yaml', takes: ['go'], make: buildCollector, result: 'otelcol' },
  kafka: { from: 'kafka', takes: ['java', 'mvn'], make: copyJars, result: 'lib' },
  python: {
    from: 'clients/python/requirements.txt',
    takes: ['python3'],
    make: makeVenv,
    result: 'bin/python',
  },
  go: { from: 'clients/go', takes: ['go'], make: buildGoClient, result: 'client' },
};

class MissingError extends Error {}

async function main() {
  const name = process.argv[2] ?? '';
  const tool = TOOLS[name];
  if (tool === undefined) throw new Error(`which one? ${Object.keys(TOOLS).join(', ')}`);
  console.log(await prepare(name, tool));
}

/** @param {string} name @param {Tool} tool */
async function prepare(name, tool) {
  const given = name === 'collector' ? process.env.FREEPLAY_OTEL_COLLECTOR : undefined;
  if (given) return given;
  const cache = join(
    process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
    'opentelemetry-exporter-freeplay',
  );
  const folder = join(cache, `${name}-${await hashOf(join(HERE, tool.from))}`);
  const result = join(folder, tool.result);
  if (await exists(result)) return result;
  for (const program of tool.takes) {
    if (!(await isInstalled(program)))
      throw new MissingError(`${name} takes ${program}, which is not installed`);
  }
  await mkdir(cache, { recursive: true });
  const draft = await mkdtemp(join(cache, `${name}-draft-`));
  const start = Date.now();
  console.error(`making ${name}, which is kept in ${folder}`);
  try {
    await tool.make(draft);
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  console.error(`${name} took ${Math.round((Date.now() - start) / 1000)} s`);
  return result;
}

/** @param {string} folder */
async function buildCollector(folder) {
  const manifest = await readFile(join(HERE, 'otelcol.yaml'), 'utf8');
  const [, version] = /^ {2}version: (\S+)$/m.exec(manifest) ?? [];
  const sources = join(folder, 'sources');
  // The builder knows no variables.
  const config = join(folder, 'otelcol.yaml');
  await writeFile(config, manifest.replace(/^dist:$/m, `dist:\n  output_path: ${JSON.stringify(sources)}`));
  await run('go', ['install', `go.opentelemetry.io/collector/cmd/builder@v${version}`], { GOBIN: folder });
  await run(join(folder, 'builder'), ['--config', config, '--skip-compilation']);
  const flags = ['-trimpath', '-ldflags=-s -w', '-o', join(folder, 'otelcol')];
  await run('go', ['build', ...flags, '.'], {}, sources);
  await rm(sources, { recursive: true });
  await rm(join(folder, 'builder'));
}

/** @param {string} folder */
function copyJars(folder) {
  return run('mvn', [
    ...['--quiet', '--batch-mode', '--file', join(HERE, 'kafka', 'pom.xml')],
    ...['dependency:copy-dependencies', `-DoutputDirectory=${join(folder, 'lib')}`],
  ]);
}

/** @param {string} folder */
async function makeVenv(folder) {
  await run('python3', ['-m', 'venv', folder]);
  const requirements = join(HERE, 'clients/python/requirements.txt');
  const flags = ['--quiet', '--disable-pip-version-check', '--no-deps'];
  await run(join(folder, 'bin/python'), ['-m', 'pip', 'install', ...flags, '--requirement', requirements]);
}

/** @param {string} folder */
function buildGoClient(folder) {
  return run('go', ['build', '-o', join(folder, 'client'), '.'], {}, join(HERE, 'clients/go'));
}

/**
 * Its output goes where messages go: standard output is for the result. With low priority, for it takes long.
 *
 * @param {string} program @param {string[]} args @param {Record<string, string>} env @param {string} cwd
 * @returns {Promise<void>}
 */
function run(program, args, env = {}, cwd = HERE) {
  return new Promise((resolve, reject) => {
    const child = spawn('nice', ['-n', '10', program, ...args], {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 2, 2],
    });
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ${args[0]} ended with ${code ?? signal}`));
    });
  });
}

/** @param {string} path a file, or a folder whose files are meant */
async function hashOf(path) {
  const names = (await readdir(path).catch(() => ['.'])).sort();
  const hash = createHash('sha256');
  for (const name of names)
    hash.update(`${name}\n`).update(await readFile(join(path, name === '.' ? '' : name)));
  return hash.digest('hex').slice(0, 16);
}

/** @param {string} path */
function exists(path) {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** @param {string} program */
async function isInstalled(program) {
  const folders = (process.env.PATH ?? '').split(':').filter((folder) => folder !== '');
  const found = await Promise.all(folders.map((folder) => exists(join(folder, program))));
  return found.includes(true);
}

main().catch((error) => {
  console.error(`prepare: ${error.message}`);
  process.exitCode = error instanceof MissingError ? EXIT_MISSING : 1;
});
