/** Whether what is installed goes together. */
import { dirname, join, relative } from 'node:path';
import { plainText } from '../../local/terminal-text.ts';
import { VERSION } from '../../version.ts';
import type { Finding } from './finding.ts';
import { type Installation, type InstalledPackage, realOf } from './installed.ts';
import { compareVersions, parseVersion, satisfies } from './semver.ts';

const section = 'Versions';
const OURS = 'opentelemetry-exporter-freeplay';
const API = '@opentelemetry/api';
const LEAST_NODE = '20.18.1';
/** Where spans are made, and from which versions on they are known to this library. */
const SDKS: Readonly<Record<string, string>> = {
  '@opentelemetry/sdk-trace-base': '^1.0.0 || ^2.0.0',
  '@opentelemetry/sdk-trace': '^2.9.0 || ^3.0.0',
};

export function isOfVersions(name: string): boolean {
  return name === OURS || name === API || name in SDKS || name === '@opentelemetry/sdk-node';
}

export function checkVersions(
  dir: string,
  installation: Installation,
  nodeVersion: string,
): readonly Finding[] {
  const { packages, hasModules, isPlugAndPlay, isCut } = installation;
  const named = (name: string): readonly InstalledPackage[] => packages.filter((one) => one.name === name);
  const findings: Finding[] = [nodeFinding(nodeVersion)];
  if (!hasModules || isPlugAndPlay) {
    findings.push({
      id: 'packages',
      section,
      status: 'warn',
      subject: 'packages',
      finding: isPlugAndPlay
        ? "packages are in Yarn's archives, which this cannot look into"
        : 'no node_modules here or above: run it in the folder of the app, or give --dir',
      fix: isPlugAndPlay ? 'see that yarn info @opentelemetry/api shows one version' : 'npm install',
    });
    return findings;
  }
  findings.push(
    ...ourFindings(named(OURS), dir),
    apiFinding(named(API), dir),
    ...sdkFindings(installation, dir),
  );
  if (isCut)
    findings.push({
      id: 'packages',
      section,
      status: 'warn',
      subject: 'packages',
      finding: 'there are more packages than were looked at',
    });
  return findings;
}

function nodeFinding(version: string): Finding {
  const about = { id: 'versions.node', section, subject: 'Node' } as const;
  return satisfies(version, `>=${LEAST_NODE}`) === false
    ? {
        ...about,
        status: 'fail',
        finding: `Node ${version}; ${LEAST_NODE} or later is needed`,
        fix: 'update Node',
      }
    : { ...about, status: 'ok', finding: version };
}

function ourFindings(copies: readonly InstalledPackage[], dir: string): readonly Finding[] {
  const about = { id: 'versions.package', section, subject: OURS } as const;
  const versions = new Set(copies.map(({ version }) => version));
  if (copies.length === 0)
    return [
      {
        ...about,
        status: 'warn',
        finding: `is not installed in this app (this is ${VERSION})`,
        fix: `npm install ${OURS}`,
      },
    ];
  if (copies.length > 1)
    return [
      {
        ...about,
        status: 'warn',
        finding: `${copies.length} copies: ${placesOf(copies, dir)}`,
        fix: 'npm dedupe: each copy that is set up records every call',
      },
    ];
  return [{ ...about, status: 'ok', finding: [...versions].join(', ') }];
}

/** A tracer that is taken before a provider is registered finds it later only within one copy of the API. */
const FIRST =
  'start the SDK before anything takes a tracer (registerTelemetry of the AI SDK, an instrumentation)';

/** The API registers itself under its major version; a library with a newer minor than the one registered gets spans that do nothing. */
function apiFinding(copies: readonly InstalledPackage[], dir: string): Finding {
  const about = { id: 'versions.api', section, subject: API } as const;
  const [only] = copies;
  if (only === undefined)
    return {
      ...about,
      status: 'fail',
      finding: 'is not installed: there are no spans',
      fix: `npm install ${API}`,
    };
  const versions = [...new Set(copies.map(({ version }) => version))];
  if (versions.length === 1)
    return {
      ...about,
      status: 'ok',
      finding:
        copies.length === 1 ? only.version : `${only.version}, ${copies.length} copies of the same version`,
      ...(copies.length > 1 && { fix: `npm dedupe, or: ${FIRST}` }),
    };
  const minors = new Set(versions.map((version) => version.split('.').slice(0, 2).join('.')));
  return minors.size === 1
    ? {
        ...about,
        status: 'warn',
        finding: `${copies.length} copies of ${versions.length} versions: ${placesOf(copies, dir)}`,
        fix: 'npm dedupe: a second version cannot register anything, so set-ups that use it fail',
      }
    : {
        ...about,
        status: 'fail',
        finding: `${copies.length} copies of ${versions.length} versions that do not go together: ${placesOf(copies, dir)}`,
        fix: `npm dedupe, or "overrides": { "@opentelemetry/api": "…" }: libraries with the newer one get spans that record nothing. Where the SDK has the newest: ${FIRST}`,
      };
}

function sdkFindings({ packages }: Installation, dir: string): readonly Finding[] {
  const sdks = packages.filter(({ name }) => name in SDKS);
  const api = packages.filter(({ name }) => name === API);
  if (sdks.length === 0)
    return [
      {
        id: 'versions.sdk',
        section,
        status: 'warn',
        subject: 'SDK',
        finding: 'no OpenTelemetry SDK for traces is installed',
        fix: 'npm install @opentelemetry/sdk-node (or @vercel/otel, which brings one)',
      },
    ];
  const findings = sdks.map((sdk) => sdkFinding(sdk, api));
  const majors = new Set(sdks.map(({ version }) => parseVersion(version)?.[0]));
  if (majors.size > 1)
    findings.push({
      id: 'versions.sdk-majors',
      section,
      status: 'warn',
      subject: 'SDK',
      finding: `${majors.size} major versions at once: ${placesOf(sdks, dir)}`,
      fix: 'update what brings the old one: processors of one major do not fit providers of another',
    });
  return unique(findings);
}

function sdkFinding(
  { name, version, dir, peerDependencies }: InstalledPackage,
  apis: readonly InstalledPackage[],
): Finding {
  const about = { id: 'versions.sdk', section, subject: name } as const;
  if (satisfies(version, SDKS[name] ?? '*') === false)
    return {
      ...about,
      status: 'warn',
      finding: `${version} is none of the versions this library is tested with (${SDKS[name]})`,
      fix: 'convert FILE --explain shows whether its spans are read',
    };
  const wanted = peerDependencies[API];
  const its = wanted === undefined ? undefined : apiOf(dir, apis);
  return wanted === undefined || its === undefined || satisfies(its.version, wanted) !== false
    ? { ...about, status: 'ok', finding: version }
    : {
        ...about,
        status: 'fail',
        finding: `${version} wants ${API} ${wanted}, and ${its.version} is installed`,
        fix: `npm install ${API}@"${wanted}"`,
      };
}

/** The copy that Node finds from there. */
function apiOf(dir: string, apis: readonly InstalledPackage[]): InstalledPackage | undefined {
  for (let at = dir; ; at = dirname(at)) {
    const real = realOf(join(at, 'node_modules', API));
    const found = real && apis.find((one) => one.dir === real);
    if (found) return found;
    if (dirname(at) === at) return undefined;
  }
}

function unique(findings: readonly Finding[]): readonly Finding[] {
  const seen = new Set<string>();
  return findings.filter((one) => {
    const key = JSON.stringify(one);
    return !seen.has(key) && seen.add(key);
  });
}

const MAX_PLACES = 4;

function placesOf(copies: readonly InstalledPackage[], dir: string): string {
  const sorted = copies.toSorted((a, b) => {
    const [one, other] = [parseVersion(a.version), parseVersion(b.version)];
    return one && other ? compareVersions(other, one) : 0;
  });
  const shown = sorted
    .slice(0, MAX_PLACES)
    .map((one) => `${one.version} (${plainText(relative(dir, one.dir), 100)})`);
  return copies.length > MAX_PLACES
    ? `${shown.join(', ')} and ${copies.length - MAX_PLACES} more`
    : shown.join(', ');
}
