/**
 * Stands for the tracing backend that a team has already (Jaeger, Tempo, Datadog): takes OTLP over HTTP with JSON, and shows one
 * span under `/trace/{traceId}?uiFind={spanId}`.
 */
import { createServer } from 'node:http';

/**
 * @typedef {{ key: string, value: { stringValue?: string } }} Attribute
 * @typedef {{ name: string, traceId: string, spanId: string, attributes?: Attribute[] }} Span
 */

/** Starts on a free port of the loopback interface. */
export async function startBackend() {
  /** @type {Map<string, Span>} */
  const spans = new Map();
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://backend');
    if (request.method === 'GET') {
      const traceId = pathname.replace('/trace/', '');
      const span = spans.get(`${traceId}/${searchParams.get('uiFind')}`);
      response.writeHead(span ? 200 : 404, { 'content-type': 'application/json' });
      response.end(JSON.stringify(span ?? { message: 'no such span' }));
      return;
    }
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { resourceSpans = [] } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    for (const { scopeSpans = [] } of resourceSpans)
      for (const scoped of scopeSpans)
        for (const span of scoped.spans ?? []) spans.set(`${span.traceId}/${span.spanId}`, span);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{}');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    spans: () => [...spans.values()],
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve(undefined));
        server.closeAllConnections();
      }),
  };
}

/** @param {Span} span @param {string} key */
export function attributeOf(span, key) {
  return span.attributes?.find((attribute) => attribute.key === key)?.value.stringValue;
}
