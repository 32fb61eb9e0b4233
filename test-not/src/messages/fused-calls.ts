import type { ToolCall } from '../completion/completion.ts';

/**
 * Some emitters fuse parallel streamed tool calls into one: arguments `{"city":"Paris"}{"city":"Tokyo"}`, name
 * `get_weatherget_weather` or the first call's, ids joined or the first's. They are taken apart only where it is certain; else the
 * call stays as captured.
 *
 * @param toolNames names of the tools that were offered
 */
export function splitFusedCalls(call: ToolCall, toolNames: readonly string[]): readonly ToolCall[] {
  if (typeof call.arguments !== 'string') return [call];
  const args = splitJson(call.arguments);
  if (args === undefined || args.length < 2) return [call];
  const names = splitNames(call.name, args.length, toolNames);
  if (!names) return [call];
  const ids = splitIds(call.id, args.length);
  return args.map((text, i) => ({ id: ids?.[i], name: names[i] ?? call.name, arguments: text }));
}

/** Several JSON objects written one after the other, or `undefined` if the text is anything else. */
function splitJson(text: string): readonly string[] | undefined {
  const found: string[] = [];
  let depth = 0;
  let start = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (inString) {
      if (c === '\\') at++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === '{') {
      if (depth++ === 0) start = at;
    } else if (c === '}' && --depth === 0) found.push(text.slice(start, at + 1));
  }
  if (depth !== 0 || inString || found.join('') !== text.replace(/\}\s+\{/g, '}{').trim()) return undefined;
  return found.every(isJson) ? found : undefined;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The only way to cut the name into `count` offered names; without a list, into equal parts. A sole offered tool is what all call. */
function splitNames(name: string, count: number, offered: readonly string[]): readonly string[] | undefined {
  const known = [...new Set(offered)];
  if (known.length === 1 && known[0] === name) return Array.from({ length: count }, () => name);
  if (known.length > 0) {
    const ways: string[][] = [];
    const walk = (rest: string, taken: string[]): void => {
      if (ways.length > 1 || taken.length > count) return;
      if (rest === '') {
        if (taken.length === count) ways.push(taken);
        return;
      }
      for (const option of known)
        if (rest.startsWith(option)) walk(rest.slice(option.length), [...taken, option]);
    };
    walk(name, []);
    return ways.length === 1 ? ways[0] : undefined;
  }
  const part = name.slice(0, name.length / count);
  return name.length % count === 0 && part.repeat(count) === name
    ? Array.from({ length: count }, () => part)
    : undefined;
}

/** Ids of one provider share a prefix (`call_`), which shows where each begins; a single one is the first call's. */
function splitIds(id: string | undefined, count: number): readonly string[] | undefined {
  const prefix = /^[A-Za-z]+[_-]/.exec(id ?? '')?.[0];
  if (id === undefined || prefix === undefined) return undefined;
  const ids = id
    .split(prefix)
    .slice(1)
    .map((rest) => prefix + rest);
  if (ids.length === 1) return ids;
  return ids.length === count && ids.every((one) => one.length > prefix.length) ? ids : undefined;
}
