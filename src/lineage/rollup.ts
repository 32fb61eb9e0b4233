/** What the records below a span add up to: carried upwards as spans are resolved, so that no one looks down again. */
import type { Message, Reading } from '../completion/completion.ts';
import { asText } from '../json/json-text.ts';
import { before, type HrTime } from '../span/span-data.ts';
import type { CallReport } from './call-report.ts';

/** Texts kept for roll-ups are bounded: a group's input is a summary, its completions hold the whole. */
const MAX_TEXT = 32_768;

export interface Rollup {
  readonly completions: number;
  /** Of these, the ones that no tool and no agent stands between. */
  readonly direct: number;
  readonly records: number;
  readonly first?: { readonly at: HrTime; readonly text: string } | undefined;
  readonly last?: { readonly at: HrTime; readonly text: string } | undefined;
  /** An inference below, to tell a wrapper's copy that ends later. */
  readonly call?: CallReport | undefined;
}

export const NOTHING_BELOW: Rollup = { completions: 0, direct: 0, records: 0 };

export function addRollups(a: Rollup | undefined, b: Rollup): Rollup {
  if (!a) return b;
  return {
    completions: a.completions + b.completions,
    direct: a.direct + b.direct,
    records: a.records + b.records,
    first: a.first && (!b.first || !before(b.first.at, a.first.at)) ? a.first : b.first,
    last: a.last && (!b.last || before(b.last.at, a.last.at)) ? a.last : b.last,
    call: b.call ?? a.call,
  };
}

export function rollupOfCompletion(start: HrTime, end: HrTime, reading: Reading, call: CallReport): Rollup {
  const question = reading.input?.find((message) => message.role === 'user');
  const reply = reading.choices?.[0];
  const asked = question && plainText(question);
  const said = reply && (plainText(reply) ?? callsText(reply));
  return {
    completions: 1,
    direct: 1,
    records: 1,
    first: asked === undefined ? undefined : { at: start, text: asked },
    last: said === undefined ? undefined : { at: end, text: said },
    call,
  };
}

/** The texts of a message, or `undefined` if it has none. */
export function plainText(message: Message): string | undefined {
  const texts = message.parts.flatMap((part) => (part.kind === 'text' ? [asText(part.text) ?? ''] : []));
  const text = texts.join('\n');
  return text === '' ? undefined : text.slice(0, MAX_TEXT);
}

function callsText(message: Message): string | undefined {
  if (message.toolCalls.length === 0) return undefined;
  return message.toolCalls
    .map(
      (call) =>
        `${call.name}(${String(typeof call.arguments === 'string' ? call.arguments : call.arguments.json)})`,
    )
    .join('\n')
    .slice(0, MAX_TEXT);
}
