import { useEffect, useState } from 'preact/hooks';

/** The time, anew every few seconds, for texts that say how long ago something was. */
export function useNow(everyMillis: number = 5_000): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMillis);
    return () => clearInterval(timer);
  }, [everyMillis]);
  return now;
}
