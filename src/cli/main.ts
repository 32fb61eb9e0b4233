#!/usr/bin/env node
import { runProgram } from './program.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // A second signal means that stopping takes too long for the user.
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
}

// A reader that has gone (`| head`) is no reason to stop serving.
let outputGone = false;
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', () => {
    if (stream === process.stdout) outputGone = true;
  });
}

/** NO_COLOR and FORCE_COLOR as Node itself reads them: the latter has the last word. */
function mayColour(): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: refused, TERM: terminal } = process.env;
  if (forced !== undefined) return !['0', 'false'].includes(forced);
  return process.stdout.isTTY === true && !refused && terminal !== 'dumb';
}

const code = await runProgram(process.argv.slice(2), {
  out: (text) => {
    if (!outputGone) process.stdout.write(`${text}\n`);
  },
  err: (text) => process.stderr.write(`${text}\n`),
  room: () =>
    new Promise((resolve) => {
      if (outputGone || !process.stdout.writableNeedDrain) resolve(!outputGone);
      else process.stdout.write('', () => resolve(!outputGone));
    }),
  env: process.env,
  colour: mayColour(),
  width: process.stdout.columns || 100,
  signal: stop.signal,
});
// An exit at once would cut off what is still on its way into a pipe.
process.stdout.write('', () => process.exit(code));
