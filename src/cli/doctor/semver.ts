/** As much of semantic versions as peer dependencies of OpenTelemetry use. */

export type Version = readonly [major: number, minor: number, patch: number];

export function parseVersion(text: string): Version | undefined {
  const match = /^v?(\d+)(?:\.(\d+|x|\*))?(?:\.(\d+|x|\*))?/.exec(text.trim());
  if (match === null) return undefined;
  const part = (index: number): number => Number(match[index] ?? 0) || 0;
  return [part(1), part(2), part(3)];
}

export function compareVersions(a: Version, b: Version): number {
  return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
}

/** `undefined` where the range is written in a way that this does not know: then nothing should be said about it. */
export function satisfies(version: string, range: string): boolean | undefined {
  const found = parseVersion(version);
  if (found === undefined) return undefined;
  let isKnown = true;
  const isInside = range.split('||').some((alternative) => {
    const all = alternative.trim().replace(/([<>=^~])\s+/g, '$1');
    if (all === '' || all === '*') return true;
    return all.split(/\s+/).every((comparator) => {
      const verdict = compares(found, comparator);
      if (verdict === undefined) isKnown = false;
      return verdict === true;
    });
  });
  return isKnown || isInside ? isInside : undefined;
}

function compares(version: Version, comparator: string): boolean | undefined {
  const match = /^(>=|<=|>|<|=|\^|~)?v?(\d.*)$/.exec(comparator);
  const wanted = parseVersion(match?.[2] ?? '');
  if (match === null || wanted === undefined) return undefined;
  const order = compareVersions(version, wanted);
  switch (match[1]) {
    case '>=':
      return order >= 0;
    case '>':
      return order > 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '^': {
      // The first number that is not 0 stays.
      const fixed = wanted.findIndex((part) => part !== 0);
      return (
        order >= 0 && wanted.slice(0, (fixed === -1 ? 2 : fixed) + 1).every((part, i) => version[i] === part)
      );
    }
    case '~':
      return order >= 0 && version[0] === wanted[0] && version[1] === wanted[1];
    default: {
      const written = (match[2] ?? '').split(/[.+-]/).filter((part) => /^\d+$/.test(part)).length;
      return wanted.slice(0, Math.min(3, Math.max(1, written))).every((part, i) => version[i] === part);
    }
  }
}
