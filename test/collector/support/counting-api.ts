/**
 * The completions API over a long time: it keeps ids, not bodies, fails at random, and answers 409 to what it has already. For the
 * judge that looks at everything see test/faults/book.ts.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chance } from '../../faults/mix.ts';
import type { Finisher } from './process.ts';

export interface CountingApi {
  readonly baseUrl: string;
  /** By id: the session and how long the body was. */
  readonly completions: ReadonlyMap<string, string>;
  /** Ids that came with another body than the first time. */
  readonly changed: readonly string[];
  readonly counts: { requests: number; failures: number; repeats: number; traces: number; bytes: number };
}

/** After so many failures a record is let through: none comes to its deadline. */
const MOST_FAILURES = 3;

type Failure = (response: ServerResponse) => void;

/** Everyday failures, of one request each. */
const PASSING: readonly Failure[] = [408, 502, 504].map(
  (status) => (response) => void response.writeHead(status).end(),
);
/** What a client takes for the beginning of an outage: it stops for a moment, and so these are rarer, or it would do nothing else. */
const STOPPING: readonly Failure[] = [
  (response) => void response.writeHead(503).end(),
  (response) => void response.writeHead(429, { 'retry-after': '1' }).end(),
  (response) => void response.socket?.resetAndDestroy(),
  (response) => void response.socket?.destroy(),
];
const STOPPING_SHARE = 0.01;

export interface CountingOptions {
  /** Of attempts, from 0 to 1. Every second failure comes after the record has been taken. */
  readonly failureShare: number;
  readonly seed?: number;
}

export async function startCountingApi(
  context: Finisher,
  { failureShare, seed = 1 }: CountingOptions,
): Promise<CountingApi> {
  const completions = new Map<string, string>();
  const traces = new Set<string>();
  const failed = new Map<string, number>();
  const changed: string[] = [];
  const counts = { requests: 0, failures: 0, repeats: 0, traces: 0, bytes: 0 };

  /** 201, or 409 for what is recorded already. */
  function record(path: string, id: string, text: string): 201 | 409 {
    if (!path.endsWith('/completions')) {
      if (traces.has(id)) return 409;
      traces.add(id);
      counts.traces += 1;
      return 201;
    }
    const known = completions.get(id);
    const mark = `${path} ${text.length}`;
    if (known === undefined) {
      completions.set(id, mark);
      return 201;
    }
    counts.repeats += 1;
    if (known !== mark) changed.push(id);
    return 409;
  }

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    counts.bytes += body.length;
    const text = body.toString('utf8');
    const path = request.url ?? '';
    const id = /\/traces\/id\/([\da-f-]{36})$/.exec(path)?.[1] ?? String(JSON.parse(text).completion_id);
    const number = ++counts.requests;
    const failures = failed.get(id) ?? 0;
    if (failures < MOST_FAILURES && chance(seed, number) < failureShare) {
      failed.set(id, failures + 1);
      counts.failures += 1;
      if (chance(seed, number, 1) < 0.5) record(path, id, text);
      const failuresOf = chance(seed, number, 2) < STOPPING_SHARE ? STOPPING : PASSING;
      failuresOf[Math.floor(chance(seed, number, 3) * failuresOf.length)]?.(response);
      return;
    }
    const status = record(path, id, text);
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  };
  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 30_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { baseUrl: `http://127.0.0.1:${port}/api`, completions, changed, counts };
}
