/** Projects with one SDK major each, outside of this repository, so that only what they have installed is found. */
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'tsdown';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HERE = join(ROOT, 'test', 'register');
const PROJECT_ID = '3f1c9a52-7d04-4c1b-9e57-6a2f8d7b0c11';
const exec = promisify(execFile);

export type ProjectName = 'sdk-1' | 'sdk-2' | 'sdk-3' | 'node-sdk-1' | 'node-sdk-2' | 'none';
export type Format = 'esm' | 'cjs';

/** The package as it is published. What package.json has to say about `./register` is said here, too. */
export async function buildPackage(): Promise<string> {
  const cache = join(ROOT, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'register-test-'));
  await build({
    cwd: ROOT,
    config: false,
    entry: ['src/index.ts', 'src/register.ts'],
    outDir: join(folder, 'dist'),
    platform: 'node',
    target: 'node20.18',
    format: ['esm', 'cjs'],
    unbundle: true,
    fixedExtension: true,
    dts: false,
    logLevel: 'silent',
  });
  const exports = Object.fromEntries(
    ['index', 'register'].map((name) => [
      name === 'index' ? '.' : `./${name}`,
      { import: `./dist/${name}.mjs`, require: `./dist/${name}.cjs` },
    ]),
  );
  const manifest = { name: 'opentelemetry-exporter-freeplay', version: '0.0.0', type: 'module', exports };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  return folder;
}

/** Installed once for each lock file and kept between runs; the package is put into a copy of its own. */
export async function installProject(name: ProjectName, packageFolder: string): Promise<string> {
  const source = join(HERE, 'projects', name);
  const lock = await readFile(join(source, 'package-lock.json'));
  const digest = createHash('sha256').update(lock).digest('hex').slice(0, 12);
  const store = join(tmpdir(), 'freeplay-otel-register', `${name}-${digest}`);
  if (!existsSync(store)) {
    await mkdir(join(store, '..'), { recursive: true });
    const fresh = await mkdtemp(`${store}-`);
    await cp(source, fresh, { recursive: true });
    await exec('npm', ['ci', '--no-audit', '--no-fund', '--prefer-offline'], { cwd: fresh });
    // Another run may have been faster.
    await rename(fresh, store).catch(() => rm(fresh, { recursive: true, force: true }));
  }
  const project = await mkdtemp(join(tmpdir(), `freeplay-otel-${name}-`));
  await cp(store, project, { recursive: true, verbatimSymlinks: true });
  await cp(packageFolder, join(project, 'node_modules', 'opentelemetry-exporter-freeplay'), {
    recursive: true,
  });
  await cp(join(HERE, 'apps'), project, { recursive: true });
  const api = join('node_modules', '@opentelemetry', 'api');
  await cp(join(project, api), join(project, 'copy', api), { recursive: true });
  return project;
}

/** The path of a Node of that major, which npm fetches if need be. */
export async function nodeBinary(major: string): Promise<string> {
  if (process.versions.node.split('.')[0] === major) return process.execPath;
  const args = ['exec', '--yes', `--package=node@${major}`, '--', 'node', '-p', 'process.execPath'];
  const { stdout } = await exec('npm', args, { cwd: ROOT });
  return stdout.trim();
}

export interface Posted {
  readonly path: string;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  takePosts(): readonly Posted[];
  close(): Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  let posts: Posted[] = [];
  const server: Server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request.setEncoding('utf8')) body += chunk;
    posts.push({ path: request.url ?? '', body });
    response.writeHead(201, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    takePosts: () => {
      const taken = posts;
      posts = [];
      return taken;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

export interface AppRun {
  readonly node: string;
  readonly project: string;
  readonly format: Format;
  readonly major: number;
  readonly mode: string;
  /** Without it, the package is not preloaded. */
  readonly preload?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
}

export interface AppResult {
  readonly code: number | null;
  /** What the app printed. */
  readonly out: {
    readonly others: readonly string[];
    readonly complaints: readonly string[];
    readonly registered?: boolean;
    readonly delegate?: string;
    readonly loadedNodeSdk?: boolean;
    readonly isCopy?: boolean;
    readonly again?: boolean;
  };
  readonly err: string;
  readonly warnings: readonly string[];
}

export async function runApp(run: AppRun, receiver: Receiver): Promise<AppResult> {
  const flag = run.format === 'esm' ? '--import' : '--require';
  const preload = run.preload ?? [flag, 'opentelemetry-exporter-freeplay/register'];
  const args = [...preload, run.format === 'esm' ? 'app.mjs' : 'app.cjs', String(run.major), run.mode];
  const child = spawn(run.node, args, {
    cwd: run.project,
    env: { ...cleanEnvironment(), ...address(receiver), ...run.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 30_000,
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const warnings = err.split('\n').filter((line) => /FREEPLAY_OTEL_/.test(line));
  return { code, out: parse(out, err), err, warnings };
}

function parse(out: string, err: string): AppResult['out'] {
  try {
    return JSON.parse(out);
  } catch {
    throw new Error(`the app printed ${JSON.stringify(out)}\n${err}`);
  }
}

function address(receiver: Receiver): NodeJS.ProcessEnv {
  return {
    FREEPLAY_API_KEY: 'register-key',
    FREEPLAY_PROJECT_ID: PROJECT_ID,
    FREEPLAY_API_BASE: `${receiver.url}/api`,
  };
}

/** Without what the developer's shell may say to us or to an SDK. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(
    ([name]) => !/^(FREEPLAY_|OTEL_|NODE_OPTIONS$|VITEST)/.test(name),
  );
  return Object.fromEntries(entries);
}
