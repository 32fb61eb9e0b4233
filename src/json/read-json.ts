import { asText, JsonText } from './json-text.ts';
import { repairJson } from './repair.ts';

/** Emitters encode a value up to three times over. */
const MAX_DECODES = 3;

let repairs = 0;

/** How often JSON was repaired so far. What is read by many hands was cut somewhere if this has grown meanwhile. */
export function repairCount(): number {
  return repairs;
}

/** What emitters write where they cut a text. */
const CUT_MARK = /(?:…|\.{3})?\s*\[truncated(?:: original length \d+)?\]$/i;

export interface ReadJson {
  /** Parsed value, or the plain text where it is no JSON. */
  readonly value: unknown;
  /** The text was JSON cut in the middle; `value` is what survives. */
  readonly cut: boolean;
}

/**
 * An attribute that should hold JSON. Structured values pass; strings are parsed, also when encoded several times over;
 * cut JSON is repaired; what is no JSON stays text. `undefined` only for an absent value.
 */
export function readJson(raw: unknown): ReadJson | undefined {
  if (raw === undefined || raw === null) return undefined;
  let value: unknown = raw instanceof JsonText ? raw.parse() : raw;
  let cut = false;
  for (let i = 0; i < MAX_DECODES && typeof value === 'string'; i++) {
    const text = value.trim();
    const first = text.charCodeAt(0);
    if (first !== 0x7b && first !== 0x5b && first !== 0x22) break;
    try {
      value = JSON.parse(text);
    } catch {
      const repaired = repairJson(text.replace(CUT_MARK, ''));
      if (repaired === undefined) break;
      value = repaired;
      cut = true;
      repairs++;
    }
  }
  return { value, cut };
}

/** As {@link readJson}, for callers that do not care about cuts. */
export function jsonValue(raw: unknown): unknown {
  return readJson(raw)?.value;
}

/** Whether a text opens like a JSON object or list. */
export function looksLikeJson(value: unknown): boolean {
  const text = asText(value);
  if (text === undefined) return false;
  const first = text.trimStart().charCodeAt(0);
  return first === 0x7b || first === 0x5b;
}
