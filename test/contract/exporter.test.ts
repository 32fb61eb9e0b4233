/** The exporter alone, against a real server, tells what `convertSpans` tells of the whole trace. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { convertSpans, FreeplaySpanExporter } from '../../src/index.ts';
import { validateCompletion, validateTrace } from '../../src/local/contract.ts';
import { loadScenario, SCENARIO_FILES, type Scenario } from './support/corpus.ts';
import { groupUuid } from './support/ids.ts';
import { toSdkLog, toSdkSpan } from './support/sdk-shapes.ts';
import { rings } from './support/structure.ts';
import type { Json } from './support/truth.ts';

interface Posted {
  readonly kind: 'completion' | 'trace';
  readonly id: string;
  readonly body: Json;
}

const posted = new Map<string, Posted[]>();
let server: Server;
let origin: string;

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const [, run, path] = /^\/(\w+)(\/v2\/.*)$/.exec(request.url ?? '') ?? [];
    const body = JSON.parse(text);
    const traceId = /^\/v2\/projects\/project-1\/sessions\/[\da-f-]{36}\/traces\/id\/([\da-f-]{36})$/.exec(
      path ?? '',
    )?.[1];
    const kind = traceId === undefined ? 'completion' : 'trace';
    const complaint = kind === 'completion' ? validateCompletion(body) : validateTrace(body);
    if (request.headers.authorization !== 'Bearer key' || complaint !== undefined) {
      response.writeHead(400).end(JSON.stringify({ message: complaint ?? 'no key' }));
      return;
    }
    const id = traceId ?? body.completion_id;
    posted.set(run ?? '', [...(posted.get(run ?? '') ?? []), { kind, id, body }]);
    response.writeHead(201, { 'content-type': 'application/json' }).end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

let runs = 0;

async function exported(scenario: Scenario, size: number): Promise<readonly Posted[]> {
  const run = `run${runs++}`;
  const exporter = new FreeplaySpanExporter({
    apiKey: 'key',
    projectId: 'project-1',
    baseUrl: `${origin}/${run}`,
    flushOnExit: false,
  });
  for (const log of scenario.logs) exporter.logRecordProcessor.onEmit(toSdkLog(log));
  const spans = scenario.spans.map((span) => toSdkSpan(span));
  for (let i = 0; i < spans.length; i += size) {
    const codes: number[] = [];
    await new Promise<void>((resolve) =>
      exporter.export(spans.slice(i, i + size), (result) => {
        codes.push(result.code);
        resolve();
      }),
    );
    expect(codes).toEqual([0]);
  }
  await exporter.forceFlush();
  await exporter.shutdown();
  const { records, spans: counts } = exporter.ledger();
  const list = posted.get(run) ?? [];
  posted.delete(run);
  expect(records).toMatchObject({ created: list.length, delivered: list.length, rejected: 0, pending: 0 });
  expect(records.dropped).toEqual({});
  expect(counts.seen).toBe(spans.length);
  return list;
}

describe.each(SCENARIO_FILES)('$name', (file) => {
  it.each([3, 1])('in batches of %i', async (size) => {
    const scenario = loadScenario(file);
    const whole = convertSpans(
      scenario.spans.map((span) => toSdkSpan(span)),
      { apiKey: 'key', projectId: 'project-1', logs: scenario.logs.map(toSdkLog) },
    );
    const list = await exported(scenario, size);
    const ids = new Set(list.map((one) => one.id));
    expect(ids.size, 'each record once').toBe(list.length);

    const wanted = whole.filter((record) => record.kind === 'completion');
    const got = list.filter((one) => one.kind === 'completion').map((one) => one.id);
    // Of two reports of one call, the one that ends first is recorded: the other way round is as right.
    if (wanted.some((record) => record.receipt.merged.length > 0)) expect(got.length).toBe(wanted.length);
    else expect(got.sort()).toEqual(wanted.map((record) => record.id).sort());

    const groups = new Set(scenario.spans.map((span) => groupUuid(span.traceId)));
    for (const { body, id } of list) {
      if (groups.has(id)) expect(body.parent_id).toBeUndefined();
      else expect(ids.has(body.parent_id) || groups.has(body.parent_id), `parent of ${id}`).toBe(true);
    }
    expect(rings(list)).toEqual([]);
  });
});
