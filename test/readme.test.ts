import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = [
  'README.md',
  'docs/adding-a-dialect.md',
  'docs/correlation.md',
  'docs/observability.md',
  'docs/serverless.md',
  'docs/spool.md',
  'examples/README.md',
];

/** Every `ts` block of the pages, as a file beside the sources: what a user copies must compile. */
function blocksOf(page: string): readonly { name: string; text: string }[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block = ''], i) => ({
    name: join(ROOT, 'test', `${page.replaceAll('/', '_')}.${i}.ts`),
    text: withContext(block),
  }));
}

/** Lines that the page has shown before, for blocks that go on from them. */
function withContext(block: string): string {
  const needed: [RegExp, RegExp, string][] = [
    [
      /\bFreeplaySpanExporter\b/,
      /import .*FreeplaySpanExporter/,
      `import { FreeplaySpanExporter } from 'opentelemetry-exporter-freeplay';`,
    ],
    [/\bNodeSDK\b/, /import .*NodeSDK/, `import { NodeSDK } from '@opentelemetry/sdk-node';`],
    [
      /new BatchSpanProcessor/,
      /import .*BatchSpanProcessor/,
      `import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';`,
    ],
    [
      /\bchat\.id\b/,
      /const chat/,
      'declare const chat: { id: string }, user: { id: string };\ndeclare function answer(of: { id: string }): Promise<string>;',
    ],
    [
      /^exporter\./m,
      /const exporter/,
      `declare const exporter: import('opentelemetry-exporter-freeplay').FreeplaySpanExporter;`,
    ],
  ];
  const lines = needed
    .filter(([uses, has]) => uses.test(block) && !has.test(block))
    .map(([, , line]) => line);
  return [...lines, block, 'export {};'].join('\n');
}

/** SDK 3.x needs a newer Node and lives in test/compat: its constructors are checked there. */
const isOtherSdk = (text: string): boolean => text.includes("'@opentelemetry/sdk-trace'");

describe('code in the documentation', () => {
  const blocks = PAGES.flatMap(blocksOf).filter(({ text }) => !isOtherSdk(text));

  it('compiles', () => {
    const files = new Map(blocks.map(({ name, text }) => [name, text]));
    const options: ts.CompilerOptions = {
      target: ts.ScriptTarget.ES2023,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      allowImportingTsExtensions: true,
      types: ['node'],
      customConditions: ['opentelemetry-exporter-freeplay-source'],
    };
    const host = ts.createCompilerHost(options);
    const read = host.getSourceFile.bind(host);
    host.getSourceFile = (name, version) => {
      const text = files.get(name);
      return text === undefined ? read(name, version) : ts.createSourceFile(name, text, version);
    };
    const exists = host.fileExists.bind(host);
    host.fileExists = (name) => files.has(name) || exists(name);
    const program = ts.createProgram([...files.keys()], options, host);
    const complaints = [...files.keys()].flatMap((name) => {
      const source = program.getSourceFile(name);
      return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
        (d) => `${name}: ${ts.flattenDiagnosticMessageText(d.messageText, ' ')}`,
      );
    });
    expect(blocks.length).toBeGreaterThan(3);
    expect(complaints).toEqual([]);
  }, 60_000);

  it('names every option that there is, and no other', () => {
    const config = readFileSync(join(ROOT, 'src/config.ts'), 'utf8');
    const body = config.slice(
      config.indexOf('export interface FreeplayOptions'),
      config.indexOf('export class Secret'),
    );
    const options = [...body.matchAll(/^ {2}(\w+)\?:/gm)].map(([, name]) => name).sort();
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const table = readme.slice(readme.indexOf('## Options'), readme.indexOf('## Nothing is lost'));
    const named = [...table.matchAll(/^\| (`[^|]*)\|/gm)]
      .flatMap(([, cell = '']) => [...cell.matchAll(/`(\w+)[^`]*`/g)].map(([, name]) => name))
      .filter((name) => !/^FREEPLAY_/.test(name ?? ''))
      .sort();
    expect(named).toEqual(options);
  });
});
