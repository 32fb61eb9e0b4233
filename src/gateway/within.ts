/** What a promise gives, if it does so in time: `undefined` after the time, `'failed'` if it rejects. */
export function within<T>(work: Promise<T>, timeoutMillis: number): Promise<T | undefined | 'failed'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), Math.max(0, timeoutMillis));
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      () => {
        clearTimeout(timer);
        resolve('failed');
      },
    );
  });
}
