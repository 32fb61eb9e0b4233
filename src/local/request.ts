import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isLoopback } from '../loopback.ts';

/** What a request is answered with. */
export interface Answer {
  readonly status: number;
  readonly json: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Close the connection afterwards, since the request was not read to its end. */
  readonly close?: boolean;
}

export function refusal(status: number, message: string, headers?: Readonly<Record<string, string>>): Answer {
  return { status, json: { message }, ...(headers && { headers }) };
}

/** The bytes of all bodies that are being read at this moment. */
export interface BodyBudget {
  bytes: number;
}

export const MAX_BODY_BYTES: number = 20 * 1024 * 1024;
const MAX_BODIES_BYTES = 256 * 1024 * 1024;
/** A refused body is read to here and thrown away, so that the client gets to read the refusal instead of a reset. */
const MAX_DISCARDED_BYTES = 128 * 1024 * 1024;

export type JsonBody =
  | { readonly ok: true; readonly json: string; readonly value: unknown }
  | { readonly ok: false; readonly answer: Answer };

/** The JSON of a request, or the refusal: 413, 415, 400. Rejects only if the connection breaks. */
export async function readJsonBody(request: IncomingMessage, budget: BodyBudget): Promise<JsonBody> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;|$)/i.test(type)) {
    return refused(refusal(415, 'Content-Type must be application/json'));
  }
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding.toLowerCase() !== 'identity') {
    return refused(refusal(415, 'Content-Encoding is not supported: send the body as it is'));
  }
  const bytes = await readBytes(request, budget);
  if (!Buffer.isBuffer(bytes)) return refused(bytes);
  let json: string;
  try {
    json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    return refused(refusal(400, 'the body is not valid UTF-8'));
  }
  try {
    return { ok: true, json, value: JSON.parse(json) };
  } catch {
    return refused(refusal(400, json.trim() === '' ? 'the body is empty' : 'the body is not valid JSON'));
  }
}

function refused(answer: Answer): JsonBody {
  return { ok: false, answer };
}

async function readBytes(request: IncomingMessage, budget: BodyBudget): Promise<Buffer | Answer> {
  const chunks: Buffer[] = [];
  let held = 0;
  let seen = 0;
  let refusedWith: Answer | undefined;
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      seen += chunk.length;
      if (refusedWith === undefined) {
        if (seen > MAX_BODY_BYTES) {
          refusedWith = refusal(413, `the body is larger than ${MAX_BODY_BYTES} bytes`);
        } else if (budget.bytes + chunk.length > MAX_BODIES_BYTES) {
          refusedWith = refusal(503, 'too many large bodies at once', { 'retry-after': '1' });
        } else {
          held += chunk.length;
          budget.bytes += chunk.length;
          chunks.push(chunk);
          continue;
        }
        chunks.length = 0;
      }
      if (seen > MAX_DISCARDED_BYTES) return { ...refusedWith, close: true };
    }
    return refusedWith ?? Buffer.concat(chunks, held);
  } finally {
    budget.bytes -= held;
  }
}

/** Why the bearer key does not let the request in, or `undefined`. Without a key of ours, any will do. */
export function keyRefusal(request: IncomingMessage, key: string | undefined): Answer | undefined {
  const given = /^Bearer +(\S.*)$/i.exec(request.headers.authorization ?? '')?.[1]?.trim();
  const challenge = { 'www-authenticate': 'Bearer' };
  if (given === undefined) return refusal(401, 'the Authorization header must be: Bearer <key>', challenge);
  if (key !== undefined && !sameText(given, key)) return refusal(401, 'the key is wrong', challenge);
  return undefined;
}

/** Compares hashes, so that the time taken tells neither the length nor where the texts part. */
function sameText(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();
  return timingSafeEqual(digest(one), digest(other));
}

/**
 * On loopback only names of this machine may be asked for: a page of a site whose name was made to point to 127.0.0.1 (DNS
 * rebinding) comes with that site's name, and a page of another site with its Origin.
 */
export function hostRefusal(request: IncomingMessage, loopbackOnly: boolean): Answer | undefined {
  if (!loopbackOnly) return undefined;
  const { host, origin } = request.headers;
  if (!isLoopback(hostnameOf(`http://${host ?? ''}`))) {
    return refusal(403, 'the Host header must name this machine: 127.0.0.1, localhost or [::1]');
  }
  if (origin !== undefined && origin !== `http://${host}`) {
    return refusal(403, 'requests from pages of other sites are not answered');
  }
  return undefined;
}

/**
 * What no other site's page may do, on whatever address the server listens. A page of another site cannot set the header
 * without being asked for leave first, which is never given.
 */
export function changeRefusal(request: IncomingMessage): Answer | undefined {
  const { host, origin } = request.headers;
  if (request.headers['x-freeplay-local'] !== '1') {
    return refusal(403, 'requests that change something need the header x-freeplay-local: 1');
  }
  if (origin !== undefined && (!URL.canParse(origin) || new URL(origin).host !== host)) {
    return refusal(403, 'requests from pages of other sites are not answered');
  }
  return undefined;
}

/** Browsers say themselves where a request comes from, also where they send no Origin. */
export function siteRefusal(request: IncomingMessage): Answer | undefined {
  const site = request.headers['sec-fetch-site'];
  return site === 'cross-site' || site === 'same-site'
    ? refusal(403, 'requests from pages of other sites are not answered')
    : undefined;
}

function hostnameOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}
