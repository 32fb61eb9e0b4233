/**
 * JSON that a span limit cut off: everything before the cut is kept, open strings, lists and objects are closed.
 * Only a true prefix of a JSON text is repaired; text that is not JSON at all is left alone.
 */

/** Nesting beyond this is not repaired: no message is that deep, and the stack of open brackets must be bounded. */
const MAX_NESTING = 200;

/** The value the prefix describes, or `undefined` if the text is not a prefix of JSON or holds no value yet. */
export function repairJson(text: string): unknown {
  const closed = closePrefix(text);
  if (closed === undefined) return undefined;
  try {
    return JSON.parse(closed);
  } catch {
    return undefined;
  }
}

type Open = {
  close: '}' | ']' /** Where to cut back to if what follows is incomplete. */;
  safe: number;
  expectKey: boolean;
};

/** One pass over the text, remembering the last point at which every open bracket could be closed. */
function closePrefix(text: string): string | undefined {
  const stack: Open[] = [];
  let at = 0;
  let keptString: string | undefined;
  let cutAt = 0;
  const top = (): Open | undefined => stack[stack.length - 1];
  const settle = (end: number): void => {
    const open = top();
    if (open) open.safe = end;
    cutAt = end;
  };
  while (at < text.length) {
    const c = text.charCodeAt(at);
    if (isSpace(c)) {
      at++;
    } else if (c === 0x7b || c === 0x5b) {
      if (stack.length >= MAX_NESTING) return undefined;
      stack.push({ close: c === 0x7b ? '}' : ']', safe: at + 1, expectKey: c === 0x7b });
      cutAt = ++at;
    } else if (c === 0x7d || c === 0x5d) {
      if (stack.pop()?.close !== text[at]) return undefined;
      settle(++at);
    } else if (c === 0x2c) {
      const open = top();
      if (!open) return undefined;
      open.expectKey = open.close === '}';
      at++;
    } else if (c === 0x3a) {
      const open = top();
      if (open?.close !== '}') return undefined;
      open.expectKey = false;
      at++;
    } else if (c === 0x22) {
      const end = stringEnd(text, at);
      const isKey = top()?.expectKey === true;
      if (end === undefined) {
        if (!isKey) keptString = `${text.slice(0, at)}${closeString(text.slice(at))}`;
        break;
      }
      at = end;
      if (!isKey) settle(at);
    } else {
      const literal = /^(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(
        text.slice(at, at + 40),
      )?.[0];
      // Only what follows tells that a number is whole: "-0" may have been "-0.5".
      const ends =
        literal !== undefined && /^[\s,\]}]/.test(text.slice(at + literal.length, at + literal.length + 1));
      if (ends) {
        at += literal.length;
        settle(at);
      } else if (/^[-+0-9.eEtrufalsn]*$/.test(text.slice(at)) && text.length - at < 40) {
        break; // a number or word that may go on beyond the cut
      } else return undefined;
    }
  }
  if (stack.length === 0 && keptString === undefined) return undefined;
  const body = keptString ?? text.slice(0, cutAt);
  return (
    body +
    stack
      .map((open) => open.close)
      .reverse()
      .join('')
  );
}

function isSpace(c: number): boolean {
  return c === 0x20 || c === 0x0a || c === 0x0d || c === 0x09;
}

/** Index after the closing quote, or `undefined` if the string is not closed. */
function stringEnd(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    const c = text.charCodeAt(at);
    if (c === 0x5c) at++;
    else if (c === 0x22) return at + 1;
  }
  return undefined;
}

/** Closes a cut string literal, dropping half an escape or half a surrogate pair. */
function closeString(literal: string): string {
  const whole = literal
    .replace(/(?<!\\)((?:\\\\)*)\\(?:u[0-9a-fA-F]{0,3})?$/, '$1')
    .replace(/(?<!\\)((?:\\\\)*)\\u[dD][89abAB][0-9a-fA-F]{2}$/, '$1')
    .replace(/[\uD800-\uDBFF]$/, '');
  return `${whole}"`;
}
