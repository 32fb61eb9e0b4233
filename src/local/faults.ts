import { type Answer, refusal } from './request.ts';
import type { FaultSettings } from './view-types.ts';

/** How the server pretends to fail; recording alone is meant. */
export interface Faults {
  settings: FaultSettings;
  /** Waits as long as every answer is to wait; then the failure this request is to have, or `undefined`: go on. */
  next(signal: AbortSignal): Promise<Answer | undefined>;
}

export const NO_FAULTS: FaultSettings = { percent: 0, status: 503, latencyMillis: 0 };

const MAX_LATENCY_MILLIS = 60_000;
const MAX_RETRY_AFTER_SECONDS = 86_400;

export function createFaults(settings: FaultSettings): Faults {
  // The share is kept exactly, whatever the number of requests; which of them fail is irregular, so that no two clients that
  // take turns are treated unlike, and the same each time.
  let debt = 0;
  const random = createRandom(1);
  return {
    settings,
    async next(signal) {
      const { percent, status, latencyMillis, retryAfterSeconds } = this.settings;
      debt = percent === 0 ? 0 : debt + percent / 100;
      const fails = debt > random();
      if (fails) debt -= 1;
      if (latencyMillis > 0) await pause(latencyMillis, signal);
      if (!fails) return undefined;
      return refusal(status, 'fault mode: this failure was asked for', {
        ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
      });
    },
  };
}

/** The settings, or what is wrong with them. */
export function readFaults(value: unknown): FaultSettings | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'the body: expected an object';
  const fields = value as Record<string, unknown>;
  const rules: Readonly<Record<string, (field: unknown) => boolean>> = {
    percent: (field) => isNumber(field, 0, 100),
    status: (field) => isNumber(field, 400, 599) && Number.isInteger(field),
    latencyMillis: (field) => isNumber(field, 0, MAX_LATENCY_MILLIS),
    retryAfterSeconds: (field) =>
      field === undefined || (isNumber(field, 0, MAX_RETRY_AFTER_SECONDS) && Number.isInteger(field)),
  };
  for (const name of Object.keys(fields)) {
    if (!Object.hasOwn(rules, name)) return `${name.slice(0, 60)}: unknown field`;
  }
  for (const [name, fits] of Object.entries(rules)) {
    if (!fits(fields[name])) return `${name}: ${RANGES[name]}`;
  }
  const { percent, status, latencyMillis, retryAfterSeconds } = fields as unknown as FaultSettings;
  return { percent, status, latencyMillis, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

const RANGES: Readonly<Record<string, string>> = {
  percent: 'expected a number from 0 to 100',
  status: 'expected a whole number from 400 to 599',
  latencyMillis: `expected a number from 0 to ${MAX_LATENCY_MILLIS}`,
  retryAfterSeconds: `expected a whole number from 0 to ${MAX_RETRY_AFTER_SECONDS}`,
};

function isNumber(value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most;
}

function pause(millis: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', settle);
      resolve();
    };
    const timer = setTimeout(settle, millis);
    signal.addEventListener('abort', settle);
  });
}

/** Numbers from 0 to 1, the same row of them for the same seed (mulberry32). */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
