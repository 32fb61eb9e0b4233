/** So many bytes, shared by all who are at work at once. */
export interface Budget {
  /** False, and nothing taken, if there are not so many left. */
  take(bytes: number): boolean;
  give(bytes: number): void;
  readonly used: number;
}

export function createBudget(maxBytes: number): Budget {
  let used = 0;
  return {
    take(bytes) {
      if (used + bytes > maxBytes) return false;
      used += bytes;
      return true;
    },
    give(bytes) {
      used -= bytes;
    },
    get used() {
      return used;
    },
  };
}
