/** Writes of the same few milliseconds, done together. */
export interface Batches {
  /**
   * Runs the job with others; resolves after all of them were committed.
   *
   * @param hasCompany others are on their way: they are waited for a moment
   */
  add<Result>(job: () => Result, hasCompany: boolean): Promise<Result>;
  /** Runs it by itself, after what is waiting. */
  alone<Result>(job: () => Result): Promise<Result>;
  /** What is waiting, now. */
  flush(): void;
}

interface Waiting {
  readonly job: () => unknown;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Longer than a commit takes, shorter than anyone notices. */
const GATHER_MILLIS = 2;
const MAX_JOBS = 500;

/** @param run runs all jobs in one transaction; if it throws, none of them has happened */
export function createBatches(run: (jobs: readonly (() => void)[]) => void): Batches {
  let waiting: Waiting[] = [];
  let isPlanned = false;

  function flush(): void {
    isPlanned = false;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MAX_JOBS);
      waiting = waiting.slice(MAX_JOBS);
      const results: unknown[] = [];
      try {
        run(
          batch.map(
            ({ job }) =>
              () =>
                results.push(job()),
          ),
        );
      } catch (error) {
        for (const { reject } of batch) reject(error);
        continue;
      }
      for (const [at, { resolve }] of batch.entries()) resolve(results[at]);
    }
  }

  return {
    add<Result>(job: () => Result, hasCompany: boolean): Promise<Result> {
      return new Promise((resolve, reject) => {
        waiting.push({ job, resolve: resolve as Waiting['resolve'], reject });
        if (isPlanned) return;
        isPlanned = true;
        if (hasCompany) setTimeout(flush, GATHER_MILLIS);
        else setImmediate(flush);
      });
    },
    async alone(job) {
      flush();
      return job();
    },
    flush,
  };
}
