/** A receiver for OTLP over HTTP with JSON, as small as it gets: it stands for the collector that a team has already. */
import { createServer } from 'node:http';

/**
 * @typedef {{ name: string }} OtlpSpan
 * @typedef {{ resourceSpans?: { scopeSpans?: { spans?: OtlpSpan[] }[] }[] }} TraceRequest
 */

/** Starts on a free port of the loopback interface. */
export async function startOtlpReceiver() {
  /** @type {OtlpSpan[]} */
  const spans = [];
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    /** @type {TraceRequest} */
    const { resourceSpans = [] } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    for (const { scopeSpans = [] } of resourceSpans) {
      for (const scoped of scopeSpans) spans.push(...(scoped.spans ?? []));
    }
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end('{}');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}`,
    spanNames: () => spans.map(({ name }) => name),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve(undefined));
        server.closeAllConnections();
      }),
  };
}
