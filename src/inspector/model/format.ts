/** Figures and times in words. */

/** `just now`, `40 s ago`, `12 min ago`, `3 h ago`, `5 d ago`, then the date. */
export function relativeTime(then: number, now: number): string {
  const seconds = Math.round((now - then) / 1000);
  if (seconds < -5) return exactTime(then);
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  if (seconds < 86_400 * 14) return `${Math.floor(seconds / 86_400)} d ago`;
  return exactTime(then).slice(0, 10);
}

/** `2025-05-16 14:03:22.123`, in the time zone of the reader; a moment that no calendar has: the number. */
export function exactTime(millis: number): string {
  const date = new Date(millis);
  if (Number.isNaN(date.getTime())) return String(millis);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${time}.${String(date.getMilliseconds()).padStart(3, '0')}`;
}

/** For axes of charts: the time, and the day where the buckets span days. */
export function bucketTime(millis: number, bucketMillis: number): string {
  const exact = exactTime(millis);
  if (bucketMillis >= 86_400_000) return exact.slice(0, 10);
  if (bucketMillis >= 3_600_000) return exact.slice(5, 16);
  return bucketMillis < 60_000 ? exact.slice(11, 19) : exact.slice(11, 16);
}

/** `940 B`, `12.3 kB`, `4.0 MB` */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** `1,204`, `12.3k`, `4.56M`: for strips and axes. */
export function shortCount(count: number): string {
  if (Math.abs(count) < 10_000) return count.toLocaleString('en-US', { maximumFractionDigits: 1 });
  if (Math.abs(count) < 1_000_000) return `${(count / 1_000).toFixed(1)}k`;
  return `${(count / 1_000_000).toFixed(2)}M`;
}

export function plural(count: number, one: string, many: string = `${one}s`): string {
  return `${count.toLocaleString('en-US')} ${count === 1 ? one : many}`;
}

/** `second`, `5 minutes`, `2 hours`: the width of a bucket. */
export function bucketWords(millis: number): string {
  const units = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
    [1_000, 'second'],
  ] as const;
  const [size, word] = units.find(([unit]) => millis >= unit) ?? [1, 'millisecond'];
  const count = Math.round(millis / size);
  return count === 1 ? word : plural(count, word);
}
