/** JSON values of a text, however they stand in it: one on each line, pretty-printed one after another, or the items of one list. */

export interface FoundValue {
  readonly kind: 'value';
  /** Of the line it begins on; the first is 1. */
  readonly line: number;
  readonly value: unknown;
  /** In UTF-16 code units. */
  readonly length: number;
}

export interface FoundProblem {
  readonly kind: 'problem';
  readonly line: number;
  readonly message: string;
}

/** Of one value, in UTF-16 code units: half of what a string can hold. */
const MAX_LENGTH = 256 * 1024 * 1024;

/** What cannot be read is told and passed over; a line that is broken costs no more than itself. */
export async function* readJsonValues(
  chunks: AsyncIterable<string>,
  maxLength: number = MAX_LENGTH,
): AsyncGenerator<FoundValue | FoundProblem> {
  const scanner = createScanner(maxLength);
  let rest: string[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end !== -1; end = chunk.indexOf('\n', start)) {
      yield* scanner.addLine(
        rest.length === 0 ? chunk.slice(start, end) : rest.join('') + chunk.slice(start, end),
      );
      rest = [];
      length = 0;
      start = end + 1;
    }
    if (start === chunk.length) continue;
    rest.push(start === 0 ? chunk : chunk.slice(start));
    length += chunk.length - start;
    if (length > maxLength) {
      yield scanner.tooLong();
      return;
    }
  }
  if (rest.length > 0) yield* scanner.addLine(rest.join(''));
  yield* scanner.end();
}

interface Scanner {
  addLine(line: string): Generator<FoundValue | FoundProblem>;
  end(): Generator<FoundProblem>;
  tooLong(): FoundProblem;
}

function createScanner(maxLength: number): Scanner {
  let number = 0;
  /** Inside one list around everything. */
  let inList = false;
  /** Open brackets of the value that is being collected. */
  let depth = 0;
  let pieces: string[] = [];
  let length = 0;
  let firstLine = 0;

  function reset(): void {
    depth = 0;
    pieces = [];
    length = 0;
  }

  function* addLine(raw: string): Generator<FoundValue | FoundProblem> {
    number++;
    const line = number === 1 ? raw.replace(/^\uFEFF/, '') : raw;
    if (depth === 0 || line.startsWith('{')) {
      // Nearly always a line is a value, or the whole file is one line.
      const whole = line.startsWith('{') ? parsed(inList ? line.replace(/,\s*$/, '') : line) : undefined;
      if (whole !== undefined) {
        if (depth > 0) yield unended();
        reset();
        yield { kind: 'value', line: number, value: whole, length: line.length };
        return;
      }
    }
    yield* scan(line);
  }

  function* scan(line: string): Generator<FoundValue | FoundProblem> {
    let start = 0;
    let inText = false;
    for (let at = 0; at < line.length; at++) {
      const code = line.charCodeAt(at);
      if (inText) {
        if (code === BACKSLASH) at++;
        else if (code === QUOTE) inText = false;
      } else if (depth === 0) {
        if (code === OPEN_LIST && !inList) inList = true;
        else if (code === CLOSE_LIST && inList) inList = false;
        else if (code === OPEN_OBJECT || code === OPEN_LIST) {
          depth = 1;
          start = at;
          firstLine = number;
        } else if (!isBetween(code)) {
          // No one knows where it ends, so it is the line that cannot be read.
          yield problem(number, `expected JSON, found ${JSON.stringify(line.slice(at, at + 40))}`);
          return;
        }
      } else if (code === QUOTE) inText = true;
      else if (code === OPEN_OBJECT || code === OPEN_LIST) depth++;
      else if ((code === CLOSE_OBJECT || code === CLOSE_LIST) && --depth === 0) {
        yield take(line.slice(start, at + 1));
        start = at + 1;
      }
    }
    if (depth === 0) return;
    pieces.push(line.slice(start), '\n');
    length += line.length - start + 1;
    if (length > maxLength) {
      yield tooLong();
      reset();
    }
  }

  function take(last: string): FoundValue | FoundProblem {
    const text = pieces.join('') + last;
    reset();
    try {
      return { kind: 'value', line: firstLine, value: JSON.parse(text), length: text.length };
    } catch (error) {
      if (/^[{[]\s*[A-Za-z_$][\w$]*\s*:/.test(text))
        return problem(
          firstLine,
          'JavaScript and not JSON, as console.log prints objects: keys have no quotes',
        );
      return problem(firstLine, `not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  const unended = (): FoundProblem =>
    problem(firstLine, 'the JSON that begins here does not end: was the file cut off?');
  const tooLong = (): FoundProblem =>
    problem(
      depth > 0 ? firstLine : number + 1,
      'one value is too large to be read: write one request on each line',
    );

  return {
    addLine,
    tooLong,
    *end() {
      if (depth > 0) yield unended();
    },
  };
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** White space and commas. */
function isBetween(code: number): boolean {
  return code === 0x20 || code === 0x2c || (code >= 0x09 && code <= 0x0d);
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function problem(line: number, message: string): FoundProblem {
  return { kind: 'problem', line, message };
}
