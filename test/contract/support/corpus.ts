/** The captured scenarios: spans and logs as an exporter receives them, the truth beside them. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Truth } from './truth.ts';

export interface CapturedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly parentIsRemote?: boolean;
  readonly name: string;
  readonly kind?: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Record<string, unknown>;
  readonly events: readonly {
    readonly name: string;
    readonly timeUnixNano?: string;
    readonly attributes?: Record<string, unknown>;
  }[];
  readonly links?: readonly unknown[];
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly scope?: { readonly name?: string; readonly version?: string };
  readonly resource?: { readonly attributes?: Record<string, unknown> };
  readonly undefinedAttributes?: readonly string[];
}

export interface CapturedLog {
  readonly traceId?: string;
  readonly spanId?: string;
  readonly eventName?: string;
  readonly timeUnixNano?: string;
  readonly body?: unknown;
  readonly attributes?: Record<string, unknown>;
  readonly scope?: { readonly name?: string; readonly version?: string };
}

export interface Scenario {
  /** `<source>/<scenario>`, with `extra/` before those that the shared corpus lacks. */
  readonly name: string;
  readonly source: string;
  readonly spans: readonly CapturedSpan[];
  readonly logs: readonly CapturedLog[];
  readonly truth: Truth;
}

const ROOT = join(import.meta.dirname, '..', '..', 'corpus');

function isDirectory(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

function scenarioFiles(folder: string, prefix: string): { name: string; source: string; path: string }[] {
  return readdirSync(folder)
    .sort()
    .filter((source) => source !== 'extra' && isDirectory(join(folder, source)))
    .flatMap((source) =>
      readdirSync(join(folder, source))
        .sort()
        .filter((file) => file.endsWith('.json') && !file.endsWith('.truth.json'))
        .map((file) => ({
          name: `${prefix}${source}/${file.slice(0, -5)}`,
          source: `${prefix}${source}`,
          path: join(folder, source, file),
        })),
    );
}

function readJsonFile(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

export const SCENARIO_FILES: readonly { name: string; source: string; path: string }[] = [
  ...scenarioFiles(ROOT, ''),
  ...scenarioFiles(join(ROOT, 'extra'), 'extra/'),
];

export function loadScenario(file: { name: string; source: string; path: string }): Scenario {
  const captured = revive(readJsonFile(file.path)) as { spans: CapturedSpan[]; logs?: CapturedLog[] };
  for (const span of captured.spans)
    for (const key of span.undefinedAttributes ?? []) span.attributes[key] = undefined;
  return {
    name: file.name,
    source: file.source,
    spans: captured.spans,
    logs: captured.logs ?? [],
    truth: readJsonFile(file.path.replace(/\.json$/, '.truth.json')) as Truth,
  };
}

export function scenarioNamed(name: string): Scenario {
  const file = SCENARIO_FILES.find((one) => one.name === name);
  if (!file) throw new Error(`no scenario ${name}`);
  return loadScenario(file);
}

/** Values that JSON cannot hold, as the corpus' README writes them. */
function revive(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revive);
  if (typeof value !== 'object' || value === null) return value;
  const object = value as Record<string, unknown>;
  const keys = Object.keys(object);
  if (keys.length === 1) {
    const [key] = keys as [string];
    const only = object[key];
    if (key === '$number') return Number(only);
    if (key === '$undefined') return undefined;
    if (key === '$bytes') return new Uint8Array(Buffer.from(String(only), 'base64'));
    if (key === '$bigint') return BigInt(String(only));
  }
  return Object.fromEntries(keys.map((key) => [key, revive(object[key])]));
}
