/**
 * `freeplay-otel local --dir`: with the SQLite of Node, or the package `libsql` where that is installed, records survive a restart;
 * where there is none, they are in memory, and the server says what to do.
 *
 *     node local-server.mjs CLI
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PATH =
  '/api/v2/projects/0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10/sessions/3c90c3cc-0d44-4b50-8888-8dd25736052a/completions';
const [cli = ''] = process.argv.slice(2);
const hasSqlite = await import('node:sqlite').then(
  () => true,
  () => isInstalled('libsql'),
);
const dir = await mkdtemp(join(tmpdir(), 'freeplay-otel-local-'));
try {
  const id = randomUUID();
  const first = await start();
  const status = await post(first.url, id);
  const notice = await first.stop();
  if (status !== 201) throw new Error(`it answered ${status}`);
  const second = await start();
  const again = await post(second.url, id);
  await second.stop();
  if (again !== (hasSqlite ? 409 : 201)) throw new Error(`after a restart it answered ${again}`);
  if (hasSqlite ? notice !== '' : !notice.includes('npm install libsql'))
    throw new Error(`it said: ${notice}`);
  console.log(hasSqlite ? 'in the folder' : 'in memory');
} finally {
  await rm(dir, { recursive: true });
}

/** As the command finds it. @param {string} name */
function isInstalled(name) {
  try {
    return createRequire(realpathSync(cli)).resolve(name) !== '';
  } catch {
    return false;
  }
}

/** @returns {Promise<{ url: string, stop: () => Promise<string> }>} What it wrote to standard error, once it has stopped. */
function start() {
  const child = spawn(process.execPath, [cli, 'local', '--port', '0', '--dir', dir]);
  let errors = '';
  let out = '';
  child.stderr.on('data', (data) => {
    errors += data;
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  return new Promise((resolve, reject) => {
    ended.then((code) => reject(new Error(`it ended with ${code}: ${errors}`)));
    child.stdout.on('data', (data) => {
      out += data;
      const url = /listening on (http:\S+)/.exec(out)?.[1];
      if (url === undefined) return;
      resolve({
        url,
        stop: async () => {
          child.kill('SIGTERM');
          await ended;
          return errors;
        },
      });
    });
  });
}

/** @param {string} url @param {string} id */
async function post(url, id) {
  const response = await fetch(`${url}${PATH}`, {
    method: 'POST',
    headers: { authorization: 'Bearer any', 'content-type': 'application/json' },
    body: JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], completion_id: id }),
  });
  return response.status;
}
