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
  /**
   * Asks for the key; answers at once if its function does. `undefined` if there is no usable one: the function threw, or gave
   * no key. The promise never rejects.
   */
  current(): Credential | undefined | Promise<Credential | undefined>;
  /** The generation of the newest key seen. */
  generation(): number;
}

/** Visible ASCII: what a header can carry. A key read from a file often ends in a newline; that is trimmed. */
const USABLE = /^[\x21-\x7e]+$/;

export function isUsableKey(key: string): boolean {
  return USABLE.test(key.trim());
}

/** Asks `apiKey` before every attempt, so that a rotated key is used from the next attempt on. */
export function createCredentials(apiKey: () => string | Promise<string>): Credentials {
  let latest: Credential | undefined;
  let latestKey: string | undefined;
  let generation = 0;

  const toCredential = (answer: unknown): Credential | undefined => {
    if (typeof answer !== 'string') return undefined;
    const key = answer.trim();
    if (key === latestKey) return latest;
    if (!USABLE.test(key)) return undefined;
    latestKey = key;
    generation += 1;
    latest = createCredential(key, generation);
    return latest;
  };

  return {
    generation: () => generation,
    current() {
      try {
        const answer: unknown = apiKey();
        if (typeof answer === 'string') return toCredential(answer);
        // The error's text is the user's and may name the secret; that there is no key is all that is told.
        return Promise.resolve(answer).then(toCredential, () => undefined);
      } catch {
        return undefined;
      }
    },
  };
}

function createCredential(key: string, generation: number): Credential {
  const authorization = `Bearer ${key}`;
  return {
    generation,
    authorization: () => authorization,
    redact: (text) => text.replaceAll(key, '[redacted]'),
  };
}
