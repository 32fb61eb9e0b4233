/** What is installed for an app: every copy of the packages that matter, wherever below the folders that Node would look in. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  /** Its folder, links followed. */
  readonly dir: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
}

export interface Installation {
  readonly packages: readonly InstalledPackage[];
  /** That the app's own package.json names; `undefined` if it has none. */
  readonly direct: ReadonlySet<string> | undefined;
  /** A `node_modules` was found at all. */
  readonly hasModules: boolean;
  /** Packages live in archives (Yarn Plug'n'Play), which this does not open. */
  readonly isPlugAndPlay: boolean;
  /** There were more packages than are looked at. */
  readonly isCut: boolean;
}

const MAX_PACKAGES = 50_000;
const MAX_DEPTH = 10;

/** @param isWanted by name; of others only the folder is looked at, since something may be nested in it */
export function findInstalled(dir: string, isWanted: (name: string) => boolean): Installation {
  const packages = new Map<string, InstalledPackage>();
  const seen = new Set<string>();
  let count = 0;
  const pending = modulesAbove(resolve(dir)).map((path) => ({ path, depth: 0 }));
  const hasModules = pending.length > 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { path, depth } = next;
    for (const { name, folder } of packagesIn(path)) {
      const real = realOf(folder);
      if (real === undefined || seen.has(real)) continue;
      if (++count > MAX_PACKAGES) return result(true);
      seen.add(real);
      if (isWanted(name)) {
        const found = readPackage(name, real);
        if (found !== undefined) packages.set(real, found);
      }
      const nested = join(real, 'node_modules');
      if (depth < MAX_DEPTH && existsSync(nested)) pending.push({ path: nested, depth: depth + 1 });
    }
    // pnpm keeps everything there, and links to it.
    const store = join(path, '.pnpm');
    if (depth === 0 && existsSync(store))
      for (const one of namesIn(store)) {
        const inside = join(store, one, 'node_modules');
        if (existsSync(inside)) pending.push({ path: inside, depth: 1 });
      }
  }
  return result(false);

  function result(isCut: boolean): Installation {
    return {
      packages: [...packages.values()].sort((a, b) => (a.dir < b.dir ? -1 : 1)),
      direct: readDirect(dir),
      hasModules,
      isPlugAndPlay: existsSync(join(dir, '.pnp.cjs')),
      isCut,
    };
  }
}

/** As Node looks for packages: in the app's folder and in all above it. */
function modulesAbove(dir: string): string[] {
  const found: string[] = [];
  for (let at = dir; ; at = dirname(at)) {
    const path = join(at, 'node_modules');
    if (existsSync(path)) found.push(path);
    if (dirname(at) === at) return found;
  }
}

function packagesIn(modules: string): { name: string; folder: string }[] {
  return namesIn(modules).flatMap((name) => {
    if (name.startsWith('.')) return [];
    const folder = join(modules, name);
    if (!name.startsWith('@')) return [{ name, folder }];
    return namesIn(folder).map((inner) => ({ name: `${name}/${inner}`, folder: join(folder, inner) }));
  });
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}

/** Links followed; `undefined` if there is nothing. */
export function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function readPackage(name: string, dir: string): InstalledPackage | undefined {
  const manifest = readJson(join(dir, 'package.json'));
  if (typeof manifest?.version !== 'string') return undefined;
  const peers = manifest.peerDependencies;
  return {
    name,
    version: manifest.version,
    dir,
    peerDependencies: typeof peers === 'object' && peers !== null ? (peers as Record<string, string>) : {},
  };
}

function readDirect(dir: string): ReadonlySet<string> | undefined {
  const manifest = readJson(join(dir, 'package.json'));
  if (manifest === undefined) return undefined;
  return new Set(
    ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'].flatMap((kind) =>
      Object.keys((manifest[kind] as object | undefined) ?? {}),
    ),
  );
}

function readJson(path: string): { readonly [key: string]: unknown } | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' && value !== null
      ? (value as { readonly [key: string]: unknown })
      : undefined;
  } catch {
    return undefined;
  }
}
