/** Where the CPU time of a stretch goes: V8's sampling profiler, its samples added up by part of the package. */
import { Session } from 'node:inspector/promises';

const SAMPLE_MICROS = 500;

/** Parts of a record's way by folder of the package, in the order of the way. */
const PARTS = [
  { part: 'spans: keys, ids, whose dialect', folders: ['span', 'dialects'] },
  { part: 'facts: model, usage, parameters, session', folders: ['readers', 'completion', 'convert.mjs'] },
  { part: 'messages, and JSON text', folders: ['messages', 'json'] },
  { part: 'lineage and waiting', folders: ['lineage', 'processor', 'context'] },
  { part: 'bodies', folders: ['record'] },
  { part: 'delivery: queue, gate, ledger, UTF-8', folders: ['delivery', 'exporter', 'spool', 'log.mjs'] },
];
const POST = 'the post itself: undici, Node, the system';
const COLLECTOR = 'garbage collector';
export const PROFILE_PARTS = [...PARTS.map(({ part }) => part), POST, COLLECTOR];

/**
 * @param {string} packageUrl of its `index.mjs`
 * @returns {Promise<() => Promise<Record<string, number>>>} ends it: each part's share of the time that was not idle
 */
export async function startProfile(packageUrl) {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROS });
  await session.post('Profiler.start');
  return async () => {
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return sharesOf(profile, new URL('.', packageUrl).href);
  };
}

/** @param {import('node:inspector').Profiler.Profile} profile @param {string} root */
export function sharesOf({ nodes, samples = [], timeDeltas = [] }, root) {
  /** @type {Map<number, string | undefined>} */
  const parts = new Map();
  const visit = (/** @type {number} */ id, /** @type {string | undefined} */ callerPart) => {
    const node = byId.get(id);
    if (!node) return;
    const part = partOf(node.callFrame, root, callerPart);
    parts.set(id, part);
    for (const child of node.children ?? []) visit(child, part);
  };
  const byId = new Map(nodes.map((node) => [node.id, node]));
  if (nodes[0]) visit(nodes[0].id, POST);
  const micros = new Map(PROFILE_PARTS.map((part) => [part, 0]));
  let total = 0;
  for (const [i, id] of samples.entries()) {
    const part = parts.get(id);
    if (part === undefined) continue;
    const delta = timeDeltas[i] ?? 0;
    micros.set(part, (micros.get(part) ?? 0) + delta);
    total += delta;
  }
  return Object.fromEntries([...micros].map(([part, sum]) => [part, total === 0 ? 0 : sum / total]));
}

/**
 * What the engine does itself (`JSON.stringify`, `indexOf`, UTF-8) belongs to whoever asked for it.
 *
 * @param {{ functionName: string, url: string }} frame @param {string} root @param {string | undefined} callerPart
 */
function partOf({ functionName, url }, root, callerPart) {
  if (functionName === '(idle)') return undefined;
  if (functionName === '(garbage collector)') return COLLECTOR;
  if (url.startsWith(root)) {
    const [folder = ''] = url.slice(root.length).split('/');
    return PARTS.find(({ folders }) => folders.includes(folder))?.part ?? callerPart ?? POST;
  }
  const isEngine = (url === '' && !functionName.startsWith('(')) || url === 'node:buffer';
  return isEngine ? callerPart : POST;
}
