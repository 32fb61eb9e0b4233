/**
 * Takes what a callback of the user's answers, where nobody waits for it: an async function throws late, as a promise that rejects, and
 * one that nobody looks at ends the process.
 */
export function catchLateThrow(answer: unknown, onThrow: () => void = () => {}): void {
  if (typeof answer === 'object' && answer !== null) Promise.resolve(answer).catch(onThrow);
}
