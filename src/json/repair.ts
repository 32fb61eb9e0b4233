/**
 * JSON that a span limit cut off: what stands before the cut is kept, open strings, lists and objects are closed. What the cut has left
 * without meaning goes: half a role or id, a message of which no more than the role is left.
 * Only a true prefix of a JSON text is repaired; text that is not JSON at all is left alone.
 */

/** Nesting beyond this is not repaired: no message is that deep, and the stack of open brackets must be bounded. */
const MAX_NESTING = 200;

/** The value the prefix describes, or `undefined` if the text is not a prefix of JSON or holds no value yet. */
export function repairJson(text: string): unknown {
  const closed = closePrefix(text);
  if (closed === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(closed.text);
    markCutOff(value, closed.depth);
    return value;
  } catch {
    return undefined;
  }
}

const cutOff = new WeakSet<object>();

/** Whether more of this object or list stood behind the cut: what it does not say, it may have said there. */
export function isCutOff(value: object): boolean {
  return cutOff.has(value);
}

/** What was open at the cut is the last of all that holds it. */
function markCutOff(value: unknown, depth: number): void {
  let last = value;
  for (let i = 0; i < depth && typeof last === 'object' && last !== null; i++) {
    cutOff.add(last);
    last = Object.values(last).at(-1);
  }
}

interface Closed {
  readonly text: string;
  /** Lists and objects that had to be closed. */
  readonly depth: number;
}

/** A list or an object that is still open where the text ends. */
interface Open {
  readonly close: '}' | ']';
  /** Under a label: whatever it holds says nothing of its own. */
  readonly isLabel: boolean;
  /** Where to cut back to if what follows is incomplete. */
  safe: number;
  expectsKey: boolean;
  /** Of an object, the key that was read last. */
  key: string;
  /** Of a tool call, which says nothing without a name. */
  isCall: boolean;
  isNamed: boolean;
  /** Holds anything that would be missed. */
  says: boolean;
  isMedia: boolean;
}

/** Keys of what only tells what the rest is, in lower case without separators: alone it is not worth keeping, cut it is wrong. */
const LABELS: ReadonlySet<string> = new Set([
  ...['type', 'blocktype', 'kind', 'object', 'role', 'modality', 'format', 'detail', 'phase', 'eventname'],
  ...['id', 'lc', 'index', 'ref', 'callid', 'toolcallid', 'tooluseid'],
  ...['status', 'state', 'finishreason', 'stopreason', 'mimetype', 'mediatype', 'contenttype'],
]);
/** Keys of what is worth keeping, and of no use cut. */
const NAMES: ReadonlySet<string> = new Set(['name', 'toolname', 'model', 'url', 'uri', 'fileid']);
/** Keys of tool calls, and of their arguments. */
const CALLS: ReadonlySet<string> = new Set([
  'function',
  'functioncall',
  'toolcall',
  'toolrequest',
  'tooluse',
]);
const ARGUMENTS: ReadonlySet<string> = new Set(['arguments', 'args']);
const NAME: ReadonlySet<string> = new Set(['name', 'toolname']);
const MEDIA_KEY = /^(mimetype|mediatype)$/;
const MEDIA_TYPE = /^"[\w-]*(image|audio|video|file|blob|media|document|binary|base64)/i;

/** One pass over the text, remembering the last point at which every open bracket could be closed. */
function closePrefix(text: string): Closed | undefined {
  const stack: Open[] = [];
  let at = 0;
  let cutString: string | undefined;
  const top = (): Open | undefined => stack[stack.length - 1];
  const settle = (end: number, says: boolean): void => {
    const open = top();
    if (!open) return;
    open.safe = end;
    if (says && !isLabelled(open)) open.says = true;
    if (NAME.has(open.key)) open.isNamed = true;
  };
  while (at < text.length) {
    const c = text.charCodeAt(at);
    const open = top();
    if (isSpace(c)) {
      at++;
    } else if (c === 0x7b || c === 0x5b) {
      if (stack.length >= MAX_NESTING) return undefined;
      stack.push({
        close: c === 0x7b ? '}' : ']',
        isLabel: open !== undefined && isLabelled(open),
        safe: ++at,
        expectsKey: c === 0x7b,
        key: '',
        isCall: open !== undefined && CALLS.has(open.key),
        isNamed: false,
        says: false,
        isMedia: open?.isMedia === true,
      });
    } else if (c === 0x7d || c === 0x5d) {
      if (stack.pop()?.close !== text[at]) return undefined;
      settle(++at, open?.says === true);
    } else if (c === 0x2c) {
      if (!open) return undefined;
      open.expectsKey = open.close === '}';
      at++;
    } else if (c === 0x3a) {
      if (open?.close !== '}') return undefined;
      open.expectsKey = false;
      at++;
    } else if (c === 0x22) {
      const end = stringEnd(text, at);
      const literal = text.slice(at, end);
      if (end === undefined) {
        if (!open?.expectsKey) cutString = literal;
        break;
      }
      if (open?.expectsKey) {
        open.key = bareKey(literal);
        open.isMedia ||= MEDIA_KEY.test(open.key);
      } else {
        if (open?.key === 'type' && MEDIA_TYPE.test(literal)) open.isMedia = true;
        settle(end, true);
      }
      at = end;
    } else {
      const literal = /^(?:true|false|null|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/.exec(
        text.slice(at, at + 40),
      )?.[0];
      // Only what follows tells that a number is whole: "-0" may have been "-0.5".
      const ends =
        literal !== undefined && /^[\s,\]}]/.test(text.slice(at + literal.length, at + literal.length + 1));
      if (ends) {
        at += literal.length;
        settle(at, literal !== 'null');
      } else if (/^[-+0-9.eEtrufalsn]*$/.test(text.slice(at)) && text.length - at < 40) {
        break; // a number or word that may go on beyond the cut
      } else return undefined;
    }
  }
  const open = top();
  if (!open) return cutString === undefined ? undefined : { text: closeString(cutString), depth: 0 };
  const kept = cutString && survivor(cutString, open);
  if (kept !== undefined) return close(`${text.slice(0, at)}${kept}`, stack);
  // Media that was there stays media, without its cut payload.
  if (cutString !== undefined && open.isMedia) open.says = true;
  while (stack.length > 1 && !top()?.says) stack.pop();
  return close(text.slice(0, top()?.safe), stack);
}

/** Whether what comes next in it is, or stands under, a label. */
function isLabelled({ isLabel, key, isCall, isNamed }: Open): boolean {
  if (isLabel || LABELS.has(key)) return true;
  return !isNamed && !NAME.has(key) && (isCall || ARGUMENTS.has(key));
}

/** What is left of a text that was cut; `undefined` if that is of no use. */
function survivor(literal: string, open: Open): string | undefined {
  if (isLabelled(open) || open.isMedia || literal.startsWith('"data:')) return undefined;
  if (NAMES.has(open.key)) return undefined;
  const text = closeString(literal);
  return text === '""' ? undefined : text;
}

function close(text: string, stack: readonly Open[]): Closed {
  const closers = stack.map((open) => open.close).reverse();
  return { text: `${text}${closers.join('')}`, depth: stack.length };
}

/** `"toolCallId"`, `"tool_call_id"` → `toolcallid` */
function bareKey(literal: string): string {
  return literal.replace(/["_.-]/g, '').toLowerCase();
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
