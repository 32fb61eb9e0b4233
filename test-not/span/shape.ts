/**
 * Spans of one instrumentation have the same attribute keys in the same order. What follows from the keys alone is worked out once for
 * each such list and found again by walking along it: a few steps where asking for every key that could be there takes hundreds.
 */
import type { Attributes } from './span-data.ts';

interface Step {
  readonly next: Map<string, Step>;
  readonly keys: readonly string[];
  /** By whatever worked it out. */
  readonly facts: Map<object, unknown>;
}

/** Steps remembered in all; an emitter that invents keys makes us start anew, at no more than the cost of working things out. */
const MAX_STEPS = 8_192;
/** Longer lists are not remembered. */
const MAX_KEYS = 96;

let start = newStep([]);
let steps = 0;
/** Attributes that are being read right now, and where their keys led. */
let reading: Attributes | undefined;
let readingStep: Step | undefined;

function newStep(keys: readonly string[]): Step {
  return { next: new Map(), keys, facts: new Map() };
}

function walk(attributes: Attributes): Step {
  let step = start;
  let count = 0;
  for (const key in attributes) {
    const value = attributes[key];
    if (value === undefined || value === null) continue; // some emitters write every key, and nothing to most
    let next = step.next.get(key);
    if (next === undefined) {
      if (++count > MAX_KEYS || steps >= MAX_STEPS) {
        if (steps >= MAX_STEPS) {
          start = newStep([]);
          steps = 0;
        }
        return newStep(keysOf(attributes));
      }
      steps++;
      next = newStep([...step.keys, key]);
      step.next.set(key, next);
    } else count++;
    step = next;
  }
  return step;
}

function keysOf(attributes: Attributes): readonly string[] {
  return Object.keys(attributes).filter((key) => attributes[key] !== undefined && attributes[key] !== null);
}

function stepOf(attributes: Attributes): Step {
  if (attributes !== reading) return walk(attributes);
  readingStep ??= walk(attributes);
  return readingStep;
}

/** Runs something that reads these attributes many times over and leaves them as they are: their keys are walked once. */
export function whileReading<T>(attributes: Attributes, run: () => T): T {
  const [before, beforeStep] = [reading, readingStep];
  reading = attributes;
  readingStep = undefined;
  try {
    return run();
  } finally {
    reading = before;
    readingStep = beforeStep;
  }
}

/**
 * What `work` makes of the keys of these attributes, those that hold something.
 *
 * @param work a pure function of the keys; the same one each time, since results are kept by it
 */
export function ofKeys<T>(attributes: Attributes, work: (keys: readonly string[]) => T): T {
  const { facts, keys } = stepOf(attributes);
  let fact = facts.get(work);
  if (fact === undefined) {
    fact = work(keys);
    facts.set(work, fact);
  }
  return fact as T;
}

const NONE: readonly string[] = [];

/**
 * Those of the listed keys that the attributes have, in the order of the list.
 *
 * @param list the same list each time, since results are kept by it
 */
export function presentKeys(attributes: Attributes, list: readonly string[]): readonly string[] {
  const { facts, keys } = stepOf(attributes);
  let present = facts.get(list) as readonly string[] | undefined;
  if (present === undefined) {
    present = list.filter((key) => keys.includes(key));
    if (present.length === 0) present = NONE;
    facts.set(list, present);
  }
  return present;
}
