/** Runs one task after the other; a failed one does not hold up the next. */
export type InOrder = <T>(task: () => Promise<T>) => Promise<T>;

export function createSerial(): InOrder {
  let last: Promise<unknown> = Promise.resolve();
  return (task) => {
    const run = last.then(task);
    last = run.catch(() => {});
    return run;
  };
}
