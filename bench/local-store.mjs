/**
 * What the page of `freeplay-otel local` waits for: fills the server's store, then asks as the page does, over HTTP, and times each
 * answer. Prints one line of JSON.
 *
 *     node local-store.mjs JOB
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from './statistics.mjs';

/** @typedef {{ completions: number, where: 'folder' | 'memory', repeats: number, package: string }} Job */

const PROJECT = '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10';
const CALLS_PER_TRACE = 4;
const TRACES_PER_SESSION = 5;
const BATCH = 100;
const MODELS = ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet-4-5', 'claude-haiku-4-5', 'gemini-2.5-pro', 'o3'];
const AGENTS = ['planner', 'researcher', 'writer', 'critic'];
const FIRST_SECOND = 1_700_000_000;

/** @type {Job} */
const job = JSON.parse(process.argv[2] ?? '');
const { startLocalServer } = await import(new URL('local/server.mjs', job.package).href);
const { loadSqlite } = await import(new URL('local/sqlite-drivers.mjs', job.package).href);

const random = createRandom();
const vocabulary = Array.from({ length: 8_000 }, (_, rank) => word(rank));
const dir = job.where === 'folder' ? mkdtempSync(join(tmpdir(), 'freeplay-bench-')) : undefined;
try {
  const rowsBefore = process.memoryUsage.rss();
  let server = await startLocalServer({ port: 0, dir, keep: job.completions * 3 });
  const filled = await fill(server.store);
  let openMillis = Number.NaN;
  if (dir !== undefined) {
    await server.close();
    const start = performance.now();
    server = await startLocalServer({ port: 0, dir, keep: job.completions * 3 });
    openMillis = performance.now() - start;
  }
  globalThis.gc?.();
  const memoryMb = (process.memoryUsage.rss() - rowsBefore) / 2 ** 20;
  const millis = await askEverything(server.url);
  await server.close();
  console.log(
    JSON.stringify({
      completions: job.completions,
      ...filled,
      openMillis,
      memoryMb,
      diskMb: dir === undefined ? Number.NaN : statSync(join(dir, 'records.db')).size / 2 ** 20,
      sqlite: dir === undefined ? '' : await sqliteName(),
      slowestMillis: Math.max(...Object.values(millis)),
      millis,
      problems: [],
    }),
  );
} finally {
  if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
}

/** @param {any} store */
async function fill(store) {
  let bytes = 0;
  let records = 0;
  let millis = 0;
  let batch = [];
  for (const record of traffic(job.completions)) {
    bytes += record.json.length;
    records++;
    batch.push(record);
    if (batch.length < BATCH) continue;
    millis += await add(store, batch);
    batch = [];
  }
  millis += await add(store, batch);
  return { records, recordKb: bytes / records / 1024, recordsPerSecond: records / (millis / 1_000) };
}

/** @param {any} store @param {object[]} batch */
async function add(store, batch) {
  const start = performance.now();
  await Promise.all(batch.map((record) => store.write((/** @type {any} */ writer) => writer.add(record))));
  return performance.now() - start;
}

/** Medians by request. @param {string} url @returns {Promise<Record<string, number>>} */
async function askEverything(url) {
  const agent = new Agent({ keepAlive: true });
  const ask = (/** @type {string} */ path) => fetchJson(`${url}/api/view/${path}`, agent);
  const { rows: sessions } = await ask('sessions');
  const { rows: completions, next } = await ask('completions');
  const { traceList } = await ask(`sessions/${sessions[0].id}`);
  const middle = (FIRST_SECOND + job.completions) * 1_000;
  /** @type {Record<string, string>} */
  const requests = {
    'sessions, newest': 'sessions',
    'sessions by words': 'sessions?text=planner',
    'sessions by name': 'sessions?session=chat-77',
    'one session': `sessions/${sessions[0].id}`,
    'one trace, its waterfall': `traces/${traceList[0].id}`,
    'completions, newest': 'completions?limit=200',
    'completions, following page': `completions?before=${next}`,
    'one completion': `completions/${completions[0].id}`,
    'completions by model': 'completions?model=o3',
    'completions by agent and error': 'completions?agent=critic&error=true',
    'completions by time': `completions?from=${middle}&to=${middle + 3_600_000}`,
    'a rare word': `completions?text=${vocabulary.at(-5)}`,
    'three frequent words': `completions?text=${vocabulary.slice(0, 3).join('+')}`,
    'beginning of many words': `completions?text=${vocabulary[0].slice(0, 1)}`,
    facets: 'facets',
    'facets by words': `facets?text=${vocabulary[20]}`,
    charts: 'charts',
    'charts by words and model': `charts?text=${vocabulary[20]}&model=gpt-4o`,
  };
  /** @type {Record<string, number[]>} */
  const taken = Object.fromEntries(Object.keys(requests).map((name) => [name, []]));
  for (let round = 0; round < job.repeats; round++) {
    for (const [name, path] of Object.entries(requests)) {
      // Another text each time, so that no answer is one that was kept.
      const fresh = path.replace(/text=/, `text=${'+'.repeat(round)}`);
      const start = performance.now();
      await ask(fresh);
      taken[name].push(performance.now() - start);
    }
  }
  agent.destroy();
  return Object.fromEntries(Object.entries(taken).map(([name, list]) => [name, median(list)]));
}

/** @param {string} url @param {Agent} agent @returns {Promise<any>} */
function fetchJson(url, agent) {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        if (response.statusCode !== 200) reject(new Error(`${url}: ${response.statusCode} ${text}`));
        else resolve(JSON.parse(text));
      });
    }).on('error', reject);
  });
}

/** Sessions of traces of an agent that calls models. @param {number} count completions */
function* traffic(count) {
  for (let made = 0, trace = 0; made < count; trace++) {
    const tail = `a${hex(3)}`;
    const group = `${hex(8)}-${hex(4)}-4${hex(3)}-${tail}-${hex(12)}`;
    const end = group.slice(19);
    const id = () => `${hex(8)}-${hex(4)}-4${hex(3)}-${end}`;
    const number = Math.floor(trace / TRACES_PER_SESSION);
    const session = `${String(number).padStart(8, '0')}-0000-4000-8000-000000000000`;
    const agent = id();
    const start = FIRST_SECOND + trace * 8;
    const metadata = { 'session.id': `chat-${number}`, 'service.name': 'bench' };
    for (let call = 0; call < CALLS_PER_TRACE && made < count; call++, made++)
      yield completion({ id: id(), group, parent: agent, session, start: start + call * 2, metadata });
    const name = AGENTS[trace % AGENTS.length];
    yield traceRecord(agent, session, { parent_id: group, agent_name: name, name, start, metadata });
    yield traceRecord(group, session, { name: 'POST /chat', start, metadata });
  }
}

/** @param {any} fields */
function completion({ id, group, parent, session, start, metadata }) {
  const failed = random() < 0.03;
  const seconds = 0.3 + random() ** 3 * 8;
  const messages = [
    { role: 'system', content: sentence(90) },
    { role: 'user', content: sentence(40) },
    { role: 'assistant', content: sentence(120) },
    { role: 'user', content: sentence(60) },
    ...(failed ? [] : [{ role: 'assistant', content: sentence(130) }]),
  ];
  const body = {
    messages,
    session_info: { custom_metadata: metadata },
    trace_info: { trace_id: group },
    parent_id: parent,
    call_info: {
      start_time: start,
      end_time: start + seconds,
      model: MODELS[Math.floor(random() ** 2 * MODELS.length)],
      provider: 'openai',
      usage: { prompt_tokens: Math.floor(random() * 2_000), completion_tokens: Math.floor(random() * 500) },
      provider_info: failed ? { error: { type: 'timeout', message: 'took too long' } } : { finish: 'stop' },
    },
    completion_id: id,
  };
  return arrived('completion', id, session, body, start);
}

/** @param {string} id @param {string} session @param {any} fields */
function traceRecord(id, session, { start, metadata, ...fields }) {
  const body = {
    input: sentence(40),
    output: sentence(100),
    ...fields,
    custom_metadata: metadata,
    start_time: new Date(start * 1_000).toISOString(),
    end_time: new Date(start * 1_000 + 7_500).toISOString(),
  };
  return arrived('trace', id, session, body, start);
}

/** @param {string} kind @param {string} id @param {string} session @param {object} body @param {number} start */
function arrived(kind, id, session, body, start) {
  const receivedAt = new Date(start * 1_000).toISOString();
  const path = `/v2/projects/${PROJECT}/sessions/${session}/${kind}s`;
  return { kind, id, project: PROJECT, session, path, body, json: JSON.stringify(body), receivedAt };
}

/** Words as often as in real texts: the second half as often as the first, and so on. @param {number} count */
function sentence(count) {
  let text = '';
  for (let i = 0; i < count; i++)
    text += `${vocabulary[Math.floor(vocabulary.length ** random()) - 1]}${i % 12 === 11 ? '. ' : ' '}`;
  return text.trimEnd();
}

/** @param {number} rank */
function word(rank) {
  const syllables = [
    'ka',
    'lo',
    'mi',
    'ter',
    'sun',
    'ban',
    'ric',
    'ost',
    'dev',
    'ung',
    'pla',
    'que',
    'fin',
    'tor',
  ];
  let text = '';
  for (let left = rank + 1; left > 0; left = Math.floor(left / syllables.length))
    text += syllables[left % syllables.length];
  return text;
}

/** @param {number} length */
function hex(length) {
  let text = '';
  while (text.length < length) text += Math.floor(random() * 16).toString(16);
  return text;
}

/** The same traffic each time (mulberry32). */
function createRandom() {
  let state = 42;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

async function sqliteName() {
  const database = (await loadSqlite())(':memory:');
  const [major] = process.versions.node.split('.').map(Number);
  const { version } = database.prepare('SELECT sqlite_version() AS version').get([]);
  database.close();
  return `${major >= 22 ? 'node:sqlite' : 'libsql'} ${version}`;
}
