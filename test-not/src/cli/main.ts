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

const code = await runProgram(process.argv.slice(2), {
  out: (text) => {
    if (!outputGone) process.stdout.write(`${text}\n`);
  },
  err: (text) => process.stderr.write(`${text}\n`),
  colour: process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb',
  width: process.stdout.columns ?? 100,
  signal: stop.signal,
});
// An exit at once would cut off what is still on its way into a pipe.
process.stdout.write('', () => process.exit(code));
