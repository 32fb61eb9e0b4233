/**
 * The claim of `json-text.ts`: readers take slices of JSON text where they take parsed values. A parser that leaves strings and objects
 * as slices must give the same bodies.
 */
import { describe, expect, it } from 'vitest';
import type { Message } from '../../src/completion/completion.ts';
import { JsonText, type LazyJson, toJsonValue } from '../../src/json/json-text.ts';
import { readRequest, readResponse } from '../../src/messages/exchange.ts';
import { readInstructions, readMessages } from '../../src/messages/messages.ts';
import { readTools } from '../../src/messages/tools.ts';
import { renderMessages, renderTools } from '../../src/record/render.ts';
import { loadScenario, SCENARIO_FILES } from '../contract/support/corpus.ts';
import { parsed } from '../contract/support/evidence.ts';

/** Strings as slices; from `depth` on, lists and objects too. */
function lazy(value: unknown, depth: number): LazyJson {
  if (typeof value === 'string')
    return new JsonText(`[${JSON.stringify(value)}]`, 1, JSON.stringify(value).length + 1);
  if (typeof value !== 'object' || value === null) return value as LazyJson;
  if (depth === 0) return new JsonText(JSON.stringify(value));
  if (Array.isArray(value)) return value.map((item) => lazy(item, depth - 1));
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, lazy(item, depth - 1)]));
}

const POLICY = { capture: true, media: (one: never) => one } as never;

function rendered(messages: readonly Message[] | undefined): unknown {
  return messages && renderMessages(messages, POLICY, '00f067aa0ba902b7', []);
}

function facts(value: object): unknown {
  const plain = { ...(value as Record<string, unknown>) };
  for (const key of ['messages', 'instructions', 'choices'])
    if (plain[key]) plain[key] = rendered(plain[key] as Message[]);
  if (plain.tools) plain.tools = renderTools(plain.tools as never, POLICY);
  return toJsonValue(plain);
}

const READERS: [string, (value: unknown) => unknown][] = [
  ['readMessages (input)', (value) => rendered(readMessages(value, 'input'))],
  ['readMessages (output)', (value) => rendered(readMessages(value, 'output'))],
  ['readInstructions', (value) => rendered(readInstructions(value))],
  ['readRequest', (value) => facts(readRequest(value))],
  ['readResponse', (value) => facts(readResponse(value))],
  ['readTools', (value) => renderTools(readTools(value) ?? [], POLICY)],
];

const MESSAGES =
  /messages|prompt|completion|input|output|tools|instructions|response|llm_request|toolCalls|object/i;

/** JSON attributes of messages and tools, each text once. */
const TEXTS: readonly string[] = [
  ...new Set(
    SCENARIO_FILES.map(loadScenario).flatMap((scenario) =>
      [...scenario.spans.flatMap((span) => [span.attributes, ...span.events.map((e) => e.attributes ?? {})])]
        .flatMap((bag) => Object.entries(bag))
        .filter(([key, value]) => MESSAGES.test(key) && typeof value === 'string' && /^\s*[[{]/.test(value))
        .map(([, value]) => value as string)
        .filter((text) => parsed(text) !== undefined),
    ),
  ),
];

describe('slices of JSON text', () => {
  it('come from many attributes', () => {
    expect(TEXTS.length).toBeGreaterThan(500);
  });

  it.each(READERS)('%s gives what parsed values give', (_, read) => {
    for (const text of TEXTS) {
      const wanted = JSON.stringify(read(JSON.parse(text)));
      for (const depth of [0, 1, 2, 3, 4, 8, 64]) {
        const got = JSON.stringify(read(lazy(JSON.parse(text), depth)));
        expect(got, `slices from depth ${depth} of ${text.slice(0, 400)}`).toBe(wanted);
      }
    }
  });
});
