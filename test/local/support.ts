import { randomUUID } from 'node:crypto';
import { type LocalServer, type LocalServerOptions, startLocalServer } from '../../src/local/server.ts';
import type { ShownRecord } from '../../src/local/summary.ts';
import type { RecordBody } from '../../src/record/record.ts';

export const PROJECT = '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10';
export const SESSION = '3c90c3cc-0d44-4b50-8888-8dd25736052a';
export const GROUP = '4bf92f35-77b3-4da6-a3ce-929d0e0e4736';

/** An id made from a span of the trace whose group is `GROUP`. */
export function spanId(digit: string): string {
  return `${digit.repeat(8)}-${digit.repeat(4)}-4${digit.repeat(3)}-a3ce-929d0e0e4736`;
}

/** A body as the exporter writes it, with these fields in place of the usual ones. */
export function completion(fields: object = {}): RecordBody {
  return {
    messages: [
      { role: 'user', content: 'What is the weather in Paris?' },
      { role: 'assistant', content: 'It is 21 °C in Paris.' },
    ],
    trace_info: { trace_id: GROUP },
    call_info: {
      start_time: 1_700_000_000.25,
      end_time: 1_700_000_001.49,
      model: 'gpt-4o-mini',
      provider: 'openai',
      usage: { prompt_tokens: 512, completion_tokens: 34 },
    },
    completion_id: randomUUID(),
    ...fields,
  } as RecordBody;
}

export function trace(fields: object = {}): RecordBody {
  return {
    input: 'in',
    output: 'out',
    name: 'step',
    start_time: '2023-11-14T22:13:20.000Z',
    end_time: '2023-11-14T22:13:22.500Z',
    ...fields,
  } as RecordBody;
}

export function shown(kind: ShownRecord['kind'], id: string, body: RecordBody): ShownRecord {
  return { kind, id, session: SESSION, body };
}

export interface Reply {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: assertions say what it is
  readonly json: any;
  readonly headers: Headers;
}

export interface TestServer extends LocalServer {
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  postCompletion(body: unknown, session?: string): Promise<Reply>;
  postTrace(id: string, body: unknown, session?: string): Promise<Reply>;
  /** What the page is told, without a key. */
  // biome-ignore lint/suspicious/noExplicitAny: assertions say what it is
  view(path: string): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: assertions say what it is
  records(query?: string): Promise<any[]>;
}

export async function startTestServer(options: LocalServerOptions = {}): Promise<TestServer> {
  const server = await startLocalServer({ port: 0, ...options });
  return { ...server, ...clientOf(server.url, options.key ?? 'any') };
}

export function clientOf(
  url: string,
  key: string = 'any',
): Pick<TestServer, 'send' | 'postCompletion' | 'postTrace' | 'view' | 'records'> {
  const send: TestServer['send'] = async (method, path, body, headers = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && {
        body:
          typeof body === 'string'
            ? body
            : Buffer.isBuffer(body)
              ? new Uint8Array(body)
              : JSON.stringify(body),
      }),
    });
    const text = await response.text();
    return {
      status: response.status,
      json: text === '' ? undefined : JSON.parse(text),
      headers: response.headers,
    };
  };
  return {
    send,
    postCompletion: (body, session = SESSION) =>
      send('POST', `/api/v2/projects/${PROJECT}/sessions/${session}/completions`, body),
    postTrace: (id, body, session = SESSION) =>
      send('POST', `/api/v2/projects/${PROJECT}/sessions/${session}/traces/id/${id}`, body),
    view: async (path) => (await fetch(`${url}/api/view/${path}`)).json(),
    records: async (query = '') => (await send('GET', `/api/local/records${query}`)).json,
  };
}
