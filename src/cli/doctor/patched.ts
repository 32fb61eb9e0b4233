/**
 * Whether clients are of versions that their instrumentation patches. Of others it reports nothing, and tells nobody. Each instrumentation says in
 * its code which versions it patches, so no table here grows old.
 */
import { join } from 'node:path';
import { plainText } from '../../local/terminal-text.ts';
import type { Finding } from './finding.ts';
import type { Installation, InstalledPackage } from './installed.ts';
import { satisfies } from './semver.ts';
import { entriesOf, readSmall } from './source-words.ts';

const INSTRUMENTATION = /^@(opentelemetry|elastic|traceloop|arizeai)\/.*instrumentation-/;
const CLIENTS = new Set([
  'openai',
  '@anthropic-ai/sdk',
  '@google/genai',
  '@langchain/core',
  'cohere-ai',
  'groq-sdk',
  'together-ai',
]);
/** `new InstrumentationNodeModuleDefinition("openai", [">=4 <7"], …`, with comments in between. */
const DEFINITION = /NodeModuleDefinition\(\s*(['"])([^'"\s]+)\1\s*,(?:\s|\/\/.*\n)*\[([^\]]*)\]/g;
const MAX_FILES = 200;

export function isOfPatched(name: string): boolean {
  return INSTRUMENTATION.test(name) || CLIENTS.has(name);
}

export function checkPatched({ packages }: Installation): readonly Finding[] {
  const instrumentations = packages.filter(({ name }) => INSTRUMENTATION.test(name));
  return instrumentations.flatMap((instrumentation) =>
    [...rangesIn(instrumentation)].flatMap(([client, ranges]) => {
      const copies = packages.filter(({ name }) => name === client);
      const verdicts = copies.map(({ version }) => satisfies(version, ranges));
      const [only] = copies;
      if (only === undefined || verdicts.some((verdict) => verdict !== false)) return [];
      const shown = plainText(ranges, 60);
      return [
        {
          id: `versions.${client}`,
          section: 'Versions' as const,
          status: 'warn' as const,
          subject: client,
          finding: `${only.version}; ${instrumentation.name} ${instrumentation.version} reports calls of ${shown} alone`,
          fix: `npm install ${client}@"${shown}", or an instrumentation that knows this version`,
        },
      ];
    }),
  );
}

/** Of each client, as a range: the comparators of all its definitions. */
function rangesIn({ dir }: InstalledPackage): ReadonlyMap<string, string> {
  const found = new Map<string, Set<string>>();
  for (const text of scriptsIn(dir)) {
    for (const [, , client = '', list = ''] of text.matchAll(DEFINITION)) {
      if (!CLIENTS.has(client)) continue;
      const ranges = found.get(client) ?? new Set();
      for (const [, , range = ''] of list.matchAll(/(['"])([^'"]+)\1/g)) ranges.add(range);
      found.set(client, ranges);
    }
  }
  return new Map([...found].map(([client, ranges]) => [client, [...ranges].join(' || ')]));
}

function* scriptsIn(dir: string): Generator<string> {
  const pending = [dir];
  let files = 0;
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const entry of entriesOf(at)) {
      const path = join(at, entry.name);
      if (entry.isDirectory() && entry.name !== 'node_modules') pending.push(path);
      if (!entry.isFile() || !/\.[cm]?js$/.test(entry.name)) continue;
      if (++files > MAX_FILES) return;
      yield readSmall(path);
    }
  }
}
