/** One line that is written over and over while long work goes on; nothing where no person looks on. */
export interface Progress {
  show(text: string): void;
  /** Takes the line away. */
  clear(): void;
}

/** No faster than eyes. */
const INTERVAL_MILLIS = 100;

/** @param stream where a terminal may be: standard error, so that standard output stays clean */
export function createProgress(stream: {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}): Progress {
  let isShown = false;
  let last = Number.NEGATIVE_INFINITY;
  return {
    show(text) {
      if (stream.isTTY !== true || performance.now() - last < INTERVAL_MILLIS) return;
      last = performance.now();
      isShown = true;
      stream.write(`\r\u001b[K${text.slice(0, Math.max(1, (stream.columns || 80) - 1))}`);
    },
    clear() {
      if (isShown) stream.write('\r\u001b[K');
      isShown = false;
    },
  };
}
