/** What a command may use of its surroundings. */
export interface CommandIo {
  /** Writes a line to standard output; never throws. */
  readonly out: (text: string) => void;
  /** Writes a line to standard error; never throws. */
  readonly err: (text: string) => void;
  /** Resolves once standard output has taken what it was given; to false if nobody reads it any more. */
  readonly room: () => Promise<boolean>;
  /** The environment; what a command changes in it holds for the whole process. */
  readonly env: { [name: string]: string | undefined };
  /** May standard output be coloured? */
  readonly colour: boolean;
  /** Columns of the terminal. */
  readonly width: number;
  /** Aborted when the user wants the program to stop. */
  readonly signal: AbortSignal;
}

export interface Command {
  readonly summary: string;
  readonly help: string;
  /** Resolves to the exit code. */
  readonly run: (args: readonly string[], io: CommandIo) => Promise<number>;
}

export const EXIT_OK = 0;
/** It could not do its work: a port in use, a folder it may not write. */
export const EXIT_FAILED = 1;
/** It was called the wrong way. */
export const EXIT_USAGE = 2;

/** It did most of its work, and could not read some of what it was given. */
export const EXIT_PARTLY = 3;

/** A wrong argument, said in one line that names it. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Resolves when the user wants the program to stop. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
