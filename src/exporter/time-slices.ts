/** Work on many spans, which gives the event loop back again and again: the app has its own to do. */
export interface TimeSlices {
  /** Resolves in the next turn of the event loop if this one has had its share. To be asked between pieces of work. */
  pause(): Promise<void> | undefined;
}

/** @param maxMillis of work in one turn */
export function createTimeSlices(maxMillis: number): TimeSlices {
  let end = performance.now() + maxMillis;
  return {
    pause() {
      if (performance.now() < end) return undefined;
      return new Promise((resolve) => {
        setImmediate(() => {
          end = performance.now() + maxMillis;
          resolve();
        });
      });
    },
  };
}
