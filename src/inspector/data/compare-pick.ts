/** The completion that waits for another one to be compared with; it lives as long as the tab. */
import { useEffect, useState } from 'preact/hooks';

const NAME = 'freeplay-otel.compare';
const listeners = new Set<() => void>();

export function pickedForCompare(): string | undefined {
  return sessionStorage.getItem(NAME) ?? undefined;
}

export function pickForCompare(id: string | undefined): void {
  if (id === undefined) sessionStorage.removeItem(NAME);
  else sessionStorage.setItem(NAME, id);
  for (const listener of [...listeners]) listener();
}

export function usePicked(): string | undefined {
  const [picked, setPicked] = useState(pickedForCompare);
  useEffect(() => {
    const update = (): void => setPicked(pickedForCompare());
    listeners.add(update);
    return () => {
      listeners.delete(update);
    };
  }, []);
  return picked;
}
