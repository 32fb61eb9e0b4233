import { unlessAborted } from './sleep.ts';

/**
 * One key, as the transport sees it. The key itself lives in closures only, so that no log, `util.inspect` or
 * `JSON.stringify` of this object can show it.
 */
export interface Credential {
  /** Counts up whenever the key is another one than last time. */
  readonly generation: number;
  /** The value of the `Authorization` header. */
  authorization(): string;
  /** The text with the key taken out, should a server quote it. */
  redact(text: string): string;
}

export interface Credentials {
  /** Asks for the key. `undefined` if there is no usable one: the function threw, was too slow, or gave no key. */
  current(signal: AbortSignal): Promise<Credential | undefined>;
  /** The generation of the newest key seen. */
  generation(): number;
}

/** Visible ASCII: what a header can carry. A key read from a file often ends in a newline; that is trimmed. */
const USABLE = /^[\x21-\x7e]+$/;

/** Asks `apiKey` before every attempt, so that a rotated key is used from the next attempt on. */
export function createCredentials(apiKey: () => string | Promise<string>): Credentials {
  let latest: string | undefined;
  let generation = 0;
  return {
    generation: () => generation,
    async current(signal) {
      const key = await askFor(apiKey, signal);
      if (key === undefined) return undefined;
      if (key !== latest) {
        latest = key;
        generation += 1;
      }
      return toCredential(key, generation);
    },
  };
}

async function askFor(
  apiKey: () => string | Promise<string>,
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const answer: unknown = await unlessAborted(Promise.resolve(apiKey()), signal);
    const key = typeof answer === 'string' ? answer.trim() : '';
    return USABLE.test(key) ? key : undefined;
  } catch {
    // The error's text is the user's and may name the secret; that there is no key is all that is told.
    return undefined;
  }
}

function toCredential(key: string, generation: number): Credential {
  return {
    generation,
    authorization: () => `Bearer ${key}`,
    redact: (text) => text.replaceAll(key, '[redacted]'),
  };
}
