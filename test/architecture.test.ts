/** What the tree promises: who imports whom, and where the one place for each thing is. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import * as incubating from '@opentelemetry/semantic-conventions/incubating';
import { describe, expect, it } from 'vitest';
import { DIALECTS } from '../src/dialects/registry.ts';
import * as api from '../src/index.ts';
import * as semconv from '../src/semconv.ts';
import { VERSION } from '../src/version.ts';

const SRC = join(import.meta.dirname, '..', 'src');

interface Source {
  /** Below `src`, with slashes. */
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly string[];
  /** Own files that are imported for more than their types. */
  readonly uses: readonly string[];
}

const SOURCES: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => /\.tsx?$/.test(path))
  .map((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');
    const statements = [
      ...code.matchAll(
        /^(import|export)\s+(type\s)?[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'|import\('([^']+)'\)/gm,
      ),
    ];
    const own = (name: string): string =>
      name.startsWith('.') ? relative(SRC, resolve(SRC, dirname(path), name)).replaceAll('\\', '/') : name;
    const found = statements.map((match) => ({
      name: own(match[3] ?? match[4] ?? match[5] ?? ''),
      typeOnly: match[2] !== undefined,
    }));
    return {
      path,
      folder: path.includes('/') ? path.slice(0, path.indexOf('/')) : '',
      text,
      code,
      imports: found.map((one) => one.name),
      uses: found.filter((one) => !one.typeOnly).map((one) => one.name),
    };
  });

function filesOf(...folders: readonly string[]): readonly Source[] {
  return SOURCES.filter((source) => folders.includes(source.folder));
}

/** What no app that registers the library loads. */
const PROGRAMS = ['cli', 'local', 'inspector', 'gateway', 'otlp', 'explain'];
const PURE = ['completion', 'json', 'span', 'messages', 'readers', 'dialects', 'lineage', 'record'];

describe('imports', () => {
  it('are found at all', () => {
    expect(SOURCES.length).toBeGreaterThan(80);
    expect(SOURCES.flatMap((source) => source.imports).length).toBeGreaterThan(200);
  });

  it.each<[folder: string, allowed: RegExp]>([
    ['json', /^json\/|^keep-optimised\.ts$/],
    ['completion', /^(completion|json)\//],
    ['span', /^(span|json)\/|^semconv\.ts$/],
    ['messages', /^(messages|completion|json)\/|^readers\/(parameters|usage)\.ts$/],
    ['readers', /^(readers|messages|completion|json|span)\/|^semconv\.ts$/],
    ['dialects', /^(dialects|readers|messages|completion|json|span)\/|^semconv\.ts$/],
    ['delivery', /^(delivery|record)\/|^(errors|log)\.ts$/],
    // It knows lines of text and how to wait; what is in a record, and how it is sent, it does not know.
    ['spool', /^spool\/|^delivery\/sleep\.ts$/],
    ['otlp', /^(otlp|span|json)\//],
  ])('of %s stay below it', (folder, allowed) => {
    for (const source of filesOf(folder))
      for (const name of source.imports.filter((one) => one.endsWith('.ts')))
        expect(name, source.path).toMatch(allowed);
  });

  it('of semconv, errors and log are none of ours', () => {
    for (const path of ['semconv.ts', 'errors.ts', 'log.ts', 'version.ts'])
      expect(
        SOURCES.find((source) => source.path === path)?.imports.filter((one) => one.endsWith('.ts')),
      ).toEqual([]);
  });

  it('of a dialect are never another dialect', () => {
    for (const source of filesOf('dialects').filter((one) => one.path !== 'dialects/registry.ts'))
      for (const name of source.imports.filter((one) => one.startsWith('dialects/')))
        expect(name, source.path).toBe('dialects/dialect.ts');
  });

  it('of delivery are never spans, dialects or lineage', () => {
    for (const source of filesOf('delivery'))
      expect(source.imports.filter((one) => /^(span|dialects|lineage|readers|messages)\//.test(one))).toEqual(
        [],
      );
  });

  it('of the library never reach the programs, and of the pure half never the exporter', () => {
    for (const source of SOURCES.filter((one) => !PROGRAMS.includes(one.folder)))
      expect(
        source.imports.filter((one) => PROGRAMS.includes(one.split('/')[0] ?? '')),
        source.path,
      ).toEqual([]);
    for (const source of filesOf(...PURE))
      expect(
        source.uses.filter((one) =>
          /^(exporter|delivery)\/|^(config|convert|convert-spans|index|log)\.ts$/.test(one),
        ),
        source.path,
      ).toEqual([]);
  });

  it('of the page are its own, types, names of filters, and how figures are written; it has to run in a browser', () => {
    for (const source of filesOf('inspector')) {
      for (const name of source.uses)
        expect(name, source.path).toMatch(
          /^inspector\/|^local\/(summary|view-types)\.ts$|^preact(\/hooks)?$|^marked$/,
        );
      for (const name of source.imports.filter((one) => !source.uses.includes(one)))
        expect(name, source.path).toMatch(
          /^(inspector|record)\/|^json\/json-text\.ts$|^local\/view-types\.ts$|^preact$|^marked$/,
        );
    }
  });

  it('have no ring', () => {
    const graph = new Map(SOURCES.map((source) => [source.path, source.uses]));
    const state = new Map<string, 'open' | 'done'>();
    const rings: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (state.get(path) === 'done') return;
      if (state.get(path) === 'open') {
        rings.push([...trail, path].join(' → '));
        return;
      }
      state.set(path, 'open');
      for (const next of graph.get(path) ?? []) if (graph.has(next)) visit(next, [...trail, path]);
      state.set(path, 'done');
    };
    for (const path of graph.keys()) visit(path, []);
    expect(rings).toEqual([]);
  });
});

function where(pattern: RegExp): readonly string[] {
  return SOURCES.filter((source) => pattern.test(source.code)).map((source) => source.path);
}

describe('one place', () => {
  it('for undici: delivery/transport.ts', () => {
    expect(
      SOURCES.filter((source) => source.imports.includes('undici')).map((source) => source.path),
    ).toEqual(['delivery/transport.ts']);
  });

  it('for the end of the process: cli/main.ts', () => {
    for (const path of where(/process\.exit\b/)) expect(path).toBe('cli/main.ts');
  });

  it('for SDK shapes: span/from-sdk.ts', () => {
    // OTLP has had a field of that name, too.
    for (const path of where(/instrumentationLibrary|parentSpanContext/))
      if (!path.startsWith('otlp/')) expect(path).toBe('span/from-sdk.ts');
    for (const source of SOURCES.filter((one) => !PROGRAMS.includes(one.folder)))
      expect(source.imports.filter((one) => /^@opentelemetry\/(sdk|core|resources)/.test(one))).toEqual([]);
  });

  it('for ids: record/ids.ts', () => {
    expect(where(/randomUUID|randomBytes/).filter((path) => !/^(cli|local|gateway)\//.test(path))).toEqual(
      [],
    );
  });
});

describe('the page', () => {
  it('makes no element from text, runs no text, and names no host', () => {
    expect(filesOf('inspector').length).toBeGreaterThan(40);
    for (const source of filesOf('inspector')) {
      expect(source.code, source.path).not.toMatch(
        /(inner|outer)HTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function|srcdoc/,
      );
      expect(source.code, source.path).not.toMatch(/['"`]https?:\/\//);
    }
  });
});

describe('the pure half', () => {
  it('has no I/O, no clock, no randomness, no environment', () => {
    for (const source of filesOf(...PURE)) {
      expect(
        source.imports.filter((one) => /^node:(?!crypto$|buffer$)|^undici$|^@opentelemetry\//.test(one)),
        source.path,
      ).toEqual([]);
      expect(source.code, source.path).not.toMatch(
        /\bprocess\.|Date\.now|new Date\(\)|performance\.|Math\.random|setTimeout|setInterval|\bfetch\(|console\./,
      );
    }
  });

  it('never writes to a span', () => {
    for (const source of filesOf('dialects', 'readers', 'messages'))
      expect(source.code, source.path).not.toMatch(/\battributes(\.\w+|\[[^\]]+\])\s=[^=>]/);
  });
});

describe('exports', () => {
  it('are named, everywhere', () => {
    for (const source of SOURCES) {
      expect(source.code, source.path).not.toMatch(/export \*/);
      expect(source.code, source.path).not.toMatch(/export default/);
    }
  });

  it('of the package are these', () => {
    expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
      [
        "FreeplayOptionError",
        "FreeplaySpanExporter",
        "FreeplaySpanProcessor",
        "completionIdOf",
        "convertSpans",
        "sessionIdOf",
        "traceIdOf",
        "withFreeplayContext",
      ]
    `);
  });

  it('name the version of package.json', () => {
    const { version } = JSON.parse(readFileSync(join(SRC, '..', 'package.json'), 'utf8'));
    expect(VERSION).toBe(version);
  });
});

describe('dialects', () => {
  it('have one file each, and each is registered once', () => {
    const files = filesOf('dialects')
      .map((source) => source.path.slice('dialects/'.length, -'.ts'.length))
      .filter((name) => name !== 'registry' && name !== 'dialect')
      .sort();
    expect(DIALECTS.map((dialect) => dialect.name).sort()).toEqual(files);
  });
});

describe('attribute names', () => {
  const theirs = incubating as unknown as Record<string, unknown>;

  it.each(
    Object.entries(semconv).filter(([name]) => name in theirs),
  )('%s is that of the conventions', (name, value) => {
    expect(value).toBe(theirs[name]);
  });

  it('are mostly those of the conventions', () => {
    const known = new Set(Object.values(theirs).filter((value) => typeof value === 'string'));
    const own = Object.entries(semconv).filter(
      ([name, value]) => name.startsWith('ATTR_') && !known.has(value),
    );
    expect(own.map(([, value]) => value)).toMatchInlineSnapshot(`[]`);
  });
});

describe('the environment', () => {
  it('is read in config.ts, and at the edge of the program', () => {
    expect([...where(/process\.env/)].sort()).toEqual(['cli/main.ts', 'config.ts']);
  });
});
