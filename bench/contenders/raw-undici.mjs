/** The limit: the bodies that the exporter would post, ready as bytes, and undici's leanest way to send them. */
import { Pool } from 'undici';
import { isModelCall, PROJECT_ID } from '../traffic.mjs';
import { batched, oneByOne } from './contender.mjs';

const HEADERS = [
  'content-type',
  'application/json',
  'authorization',
  'Bearer bench-key',
  'user-agent',
  'bench/1.0',
];

/** @param {import('./contender.mjs').Options} options */
export async function create({ url, package: packageUrl, records, inFlight }) {
  const { convertSpans } = await import(packageUrl);
  const pool = new Pool(url, { connections: inFlight });
  /** @type {{ path: string, body: Buffer }[]} */
  let posts = [];
  let next = 0;
  const wants = records === 'all' ? () => true : isModelCall;
  const exporter = oneByOne(wants, inFlight, (_, done) => {
    const { path, body } = posts[next++ % posts.length];
    pool.dispatch({ path, method: 'POST', headers: HEADERS, body }, new Answer(done));
  });
  return {
    ...batched(exporter),
    prepare(/** @type {import('../traffic.mjs').Span[]} */ spans) {
      posts = convertSpans(spans, { projectId: PROJECT_ID, records }).map(({ path, body }) => ({
        path: `/api${path}`,
        body: Buffer.from(JSON.stringify(body)),
      }));
      const wanted = spans.filter(wants).length;
      if (posts.length !== wanted) throw new Error(`${posts.length} records for ${wanted} spans`);
    },
  };
}

class Answer {
  #status = 0;
  #done;
  /** @param {(error?: Error) => void} done */
  constructor(done) {
    this.#done = done;
  }
  onRequestStart() {}
  onResponseStart(_, /** @type {number} */ status) {
    this.#status = status;
  }
  onResponseData() {}
  onResponseEnd() {
    this.#done(this.#status === 201 ? undefined : new Error(`status ${this.#status}`));
  }
  onResponseError(_, /** @type {Error} */ error) {
    this.#done(error);
  }
}
