/** Which project a span goes to, and that projects are no trouble to each other. */
import { expect, it } from 'vitest';
import type { Gateway, RouteOptions } from '../../src/gateway/gateway.ts';
import { completionIdOf } from '../../src/index.ts';
import type { CapturedSpan } from '../contract/support/corpus.ts';
import { type Api, makeCall, PROJECT, postSpans, startApi, startTestGateway, until } from './support.ts';

function route(name: string, when: Record<string, string>, baseUrl: string): RouteOptions {
  const options = { apiKey: `key-of-${name}`, projectId: `project-of-${name}`, baseUrl };
  return { name, when: Object.entries(when), options };
}

/** Two services with projects of their own, a tenant, and the rest. */
function startRouted(api: Api, changes: Parameters<typeof startTestGateway>[1] = {}): Promise<Gateway> {
  return startTestGateway(api.url, {
    routes: [
      route('acme', { 'tenant.id': 'acme' }, api.url),
      route('checkout', { 'service.name': 'checkout', 'deployment.environment.name': 'prod' }, api.url),
      route('default', {}, api.url),
    ],
    ...changes,
  });
}

function resource(attributes: Record<string, unknown>): Partial<CapturedSpan> {
  return { resource: { attributes } };
}

function withAttribute(span: CapturedSpan, key: string, value: unknown): CapturedSpan {
  return { ...span, attributes: { ...span.attributes, [key]: value } };
}

function addressOf(api: Api, { traceId, spanId }: CapturedSpan): string | undefined {
  const id = completionIdOf({ traceId, spanId });
  const found = [...api.records.values()].find((one) => one.id === id);
  return found && `${found.key} ${found.path.split('/')[3]}`;
}

it.each<[string, CapturedSpan, string]>([
  [
    'its resource',
    makeCall(resource({ 'service.name': 'checkout', 'deployment.environment.name': 'prod' })),
    'checkout',
  ],
  ['a resource that fits in part', makeCall(resource({ 'service.name': 'checkout' })), 'default'],
  ['its own attribute', withAttribute(makeCall(), 'tenant.id', 'acme'), 'acme'],
  [
    'its own attribute before its resource',
    withAttribute(
      makeCall(resource({ 'service.name': 'checkout', 'deployment.environment.name': 'prod' })),
      'tenant.id',
      'acme',
    ),
    'acme',
  ],
  ['another value', withAttribute(makeCall(), 'tenant.id', 'other'), 'default'],
  ['a list', withAttribute(makeCall(), 'tenant.id', ['acme']), 'default'],
])('a span is routed by %s', async (_, span, name) => {
  const api = await startApi();
  const gateway = await startRouted(api);
  expect((await postSpans(gateway, [span, makeCall()])).status).toBe(200);
  expect(addressOf(api, span)).toBe(`key-of-${name} project-of-${name}`);
});

it('what a span encloses in the same request goes where it goes', async () => {
  const api = await startApi();
  const gateway = await startRouted(api);
  const traceId = 'c0ffee'.padEnd(32, '1');
  const root = withAttribute(
    makeCall({
      traceId,
      spanId: 'b000000000000001',
      name: 'agent',
      attributes: { 'gen_ai.operation.name': 'invoke_agent' },
    }),
    'tenant.id',
    'acme',
  );
  const middle = makeCall({ traceId, spanId: 'b010000000000002', parentSpanId: root.spanId, attributes: {} });
  const call = makeCall({ traceId, spanId: 'b020000000000003', parentSpanId: middle.spanId });
  expect((await postSpans(gateway, [call, middle, root])).status).toBe(200);
  expect(addressOf(api, call)).toBe('key-of-acme project-of-acme');
  expect(new Set([...api.records.values()].map(({ key }) => key))).toEqual(new Set(['key-of-acme']));
});

it('a span may name one of the listed projects of its key, and no other', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, { options: { projects: ['listed'] } });
  const listed = withAttribute(makeCall(), 'freeplay.project.id', 'listed');
  const other = withAttribute(makeCall(), 'freeplay.project.id', 'other');
  await postSpans(gateway, [listed, other]);
  expect([addressOf(api, listed), addressOf(api, other)].map((one) => one?.split(' ')[1])).toEqual([
    'listed',
    PROJECT,
  ]);
});

it('what no route takes is counted', async () => {
  const api = await startApi();
  const gateway = await startTestGateway(api.url, {
    routes: [route('acme', { 'tenant.id': 'acme' }, api.url)],
  });
  expect((await postSpans(gateway, [makeCall()])).status).toBe(200);
  expect(gateway.levels.unrouted).toBe(1);
  expect(api.records.size).toBe(0);
});

it('a key that is refused and a project that is full are no trouble to the others', async () => {
  const api = await startApi(({ key }, response) => {
    if (key !== 'key-of-acme') return false;
    response.writeHead(401).end();
    return true;
  });
  const gateway = await startTestGateway(api.url, {
    answerMillis: 300,
    routes: [
      { ...route('acme', { 'tenant.id': 'acme' }, api.url) },
      { ...route('default', {}, api.url) },
    ].map((one) => ({ ...one, options: { ...one.options, maxQueueRecords: 3 } })),
  });
  const acme = (): CapturedSpan => withAttribute(makeCall(), 'tenant.id', 'acme');
  for (let i = 0; i < 4; i++) expect((await postSpans(gateway, [acme()])).status).toBe(503);
  expect(gateway.ledgers().get('acme')?.records.pending).toBe(3);
  const start = performance.now();
  for (let i = 0; i < 10; i++) expect((await postSpans(gateway, [makeCall()])).status).toBe(200);
  expect(performance.now() - start, 'none of them waited').toBeLessThan(10 * 300);
  // Of a request for both, what can be delivered is, and only once.
  const mixed = [acme(), makeCall()];
  for (let i = 0; i < 2; i++) expect((await postSpans(gateway, mixed)).status).toBe(503);
  await until(() => gateway.ledgers().get('default')?.records.delivered === 11);
  expect([...api.records.values()].filter(({ key }) => key === 'key-of-default').length).toBe(11);
  expect(api.posts.filter(({ key }) => key === 'key-of-default').length).toBe(11);
});
