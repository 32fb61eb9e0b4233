/**
 * The server that every contender posts to, in a process of its own: reads each body to its end, answers as the Freeplay API and an
 * OTLP receiver do, and counts. Written over bare sockets, so that it stays well below the cost of what it measures.
 *
 *     node sink.mjs [LATENCY_MILLIS]      prints its port; GET /stats gives the counters
 */
import { createServer } from 'node:net';

const latencyMillis = Number(process.argv[2] ?? 0);
const stats = { requests: 0, posts: 0, bodyBytes: 0, open: 0, mostOpen: 0, underWay: 0, mostUnderWay: 0 };

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');
const NOTHING = Buffer.alloc(0);

const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  stats.open += 1;
  stats.mostOpen = Math.max(stats.mostOpen, stats.open);
  socket.on('close', () => {
    stats.open -= 1;
  });
  socket.on(
    'data',
    createParser((head) => answer(socket, head)),
  );
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
// Whoever started the sink is gone.
process.stdin.on('end', () => process.exit()).resume();

/**
 * HTTP/1.1 requests out of chunks, with a length or chunked; of a body only the size is of interest.
 *
 * @param {(head: string) => void} onRequest
 */
function createParser(onRequest) {
  let rest = NOTHING;
  let head = '';
  /** Bytes of the body, or of its present chunk with its line end, that are still to come. */
  let left = 0;
  /** @type {'head' | 'body' | 'size' | 'end'} */
  let state = 'head';
  const finish = () => {
    state = 'head';
    onRequest(head);
  };
  /** @type {Record<'head' | 'size' | 'end', (text: string) => void>} */
  const read = {
    head(text) {
      head = text;
      if (/\r\ntransfer-encoding: *chunked/i.test(text)) {
        state = 'size';
        return;
      }
      left = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
      if (left > 0) state = 'body';
      else finish();
    },
    size(text) {
      const size = Number.parseInt(text, 16);
      if (size === 0) state = 'end';
      else left = size + LINE_END.length;
    },
    end: finish,
  };
  return (/** @type {Buffer} */ chunk) => {
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    rest = NOTHING;
    let at = 0;
    while (at < data.length) {
      if (left > 0) {
        const taken = Math.min(left, data.length - at);
        left -= taken;
        at += taken;
        stats.bodyBytes += taken;
        if (left === 0 && state === 'body') finish();
        continue;
      }
      const end = state === 'head' ? HEAD_END : LINE_END;
      const found = data.indexOf(end, at);
      if (found < 0) {
        rest = data.subarray(at);
        return;
      }
      const text = data.latin1Slice(at, found);
      at = found + end.length;
      read[state](text);
    }
  };
}

/** @param {import('node:net').Socket} socket @param {string} head */
function answer(socket, head) {
  const path = head.slice(head.indexOf(' ') + 1, head.indexOf(' HTTP'));
  if (path === '/stats') {
    socket.write(reply(200, 'application/json', JSON.stringify(stats)));
    return;
  }
  stats.requests += 1;
  const text = replyTo(path, head);
  if (latencyMillis === 0) {
    socket.write(text);
    return;
  }
  stats.underWay += 1;
  stats.mostUnderWay = Math.max(stats.mostUnderWay, stats.underWay);
  setTimeout(() => {
    stats.underWay -= 1;
    socket.write(text);
  }, latencyMillis);
}

/** @param {string} path @param {string} head */
function replyTo(path, head) {
  if (path.startsWith('/api/v2/')) {
    stats.posts += 1;
    return reply(201, 'application/json', '{"completion_id":"00000000-0000-4000-8000-000000000000"}');
  }
  if (/\r\ncontent-type: *application\/x-protobuf/i.test(head))
    return reply(200, 'application/x-protobuf', '');
  return reply(200, 'application/json', '{}');
}

/** @param {number} status @param {string} type @param {string} body ASCII */
function reply(status, type, body) {
  return `HTTP/1.1 ${status} OK\r\ncontent-type: ${type}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}
