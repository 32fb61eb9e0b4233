import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nearestOf } from '../../src/nearest.ts';
import { ROOT } from '../support/build-package.ts';
import { useCli } from './use-cli.ts';

const COMMANDS = ['demo', 'local', 'convert', 'doctor', 'gateway', 'replay'];

const cli = useCli();

async function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const started = cli.run(args, env);
  const code = await started.ended;
  return { code, out: started.out(), err: started.err() };
}

it('lists every command with a line about it', async () => {
  const { code, out, err } = await run(['--help']);
  expect([code, err]).toEqual([0, '']);
  const listed = [...out.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, name]) => name);
  expect(listed).toEqual(COMMANDS);
  for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
});

it.each(COMMANDS)('helps with %s: usage, options, examples, exit codes', async (name) => {
  const { code, out, err } = await run([name, '--help']);
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(new RegExp(`^freeplay-otel ${name}: `));
  expect(out).toContain(`Usage: freeplay-otel ${name}`);
  expect(out).toMatch(/\n {2}--help +this text/);
  expect(out).toMatch(new RegExp(`\\nExamples:\\n(.*\\n)*.*freeplay-otel ${name}`));
  expect(out).toMatch(/\nExit codes: 0 /);
  for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(120);
  expect((await run(['help', name])).out).toBe(out);
});

describe('a command that is none', () => {
  it.each([
    ['covnert', /unknown command "covnert"; did you mean convert\?/],
    ['docter', /did you mean doctor\?/],
    ['Local', /did you mean local\?/],
    ['xyz', /unknown command "xyz"; commands: demo, local, convert, doctor, gateway, replay/],
    ['--prot', /unknown option "--prot"; commands: /],
  ])('%s', async (name, message) => {
    for (const args of [[name], name.startsWith('-') ? [name] : ['help', name]]) {
      const { code, out, err } = await run(args);
      expect([code, out]).toEqual([2, '']);
      expect(err).toMatch(message);
      expect(err.trimEnd().split('\n')).toHaveLength(1);
    }
  });

  it('is near another one only if few letters differ', () => {
    expect(nearestOf('convert', COMMANDS)).toBe('convert');
    expect(nearestOf('cnvert', COMMANDS)).toBe('convert');
    expect(nearestOf('ocnvert', COMMANDS)).toBe('convert');
    expect(nearestOf('repla', COMMANDS)).toBe('replay');
    expect(nearestOf('dmeo', COMMANDS)).toBe('demo');
    expect(nearestOf('lo', COMMANDS)).toBeUndefined();
    expect(nearestOf('x'.repeat(10_000), COMMANDS)).toBeUndefined();
  });
});

it.each<[name: string, env: NodeJS.ProcessEnv, coloured: boolean]>([
  ['nothing said, in a pipe', {}, false],
  ['FORCE_COLOR', { FORCE_COLOR: '1' }, true],
  ['FORCE_COLOR=0', { FORCE_COLOR: '0' }, false],
  ['NO_COLOR', { NO_COLOR: '1' }, false],
  ['both, as Node has it', { NO_COLOR: '1', FORCE_COLOR: '1' }, true],
])('colours: %s', async (_, env, coloured) => {
  const path = join(ROOT, 'test/corpus/vercel-ai-6/generate-text.json');
  const { out } = await run(['convert', path, '--explain'], {
    FORCE_COLOR: undefined,
    NO_COLOR: undefined,
    ...env,
  });
  expect(out.includes('\u001b[')).toBe(coloured);
});

it.each([
  [['--help']],
  [['local', '--help']],
  [['doctor', '--offline']],
  [['demo']],
  [['replay', '.', '--dry-run']],
])('nobody reads %j: no word of it', async (args) => {
  const env = { ...process.env, FREEPLAY_API_KEY: '' };
  const child = spawn(process.execPath, [cli.main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let err = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(err).toBe('');
  // `doctor` still says what it has found.
  expect(code).toBe(args[0] === 'doctor' ? 1 : 0);
});

describe('docs/cli.md', () => {
  const docs = readFileSync(join(ROOT, 'docs', 'cli.md'), 'utf8');

  it.each(COMMANDS)('knows every option of %s', async (name) => {
    const { out } = await run([name, '--help']);
    const start = docs.indexOf(`## ${name}`);
    expect(start).toBeGreaterThan(-1);
    const end = docs.indexOf('\n## ', start + 1);
    const section = docs.slice(start, end === -1 ? undefined : end);
    for (const [, option] of out.matchAll(/^ {2}(--[a-z-]+)/gm)) expect(section, option).toContain(option);
    expect(section).toMatch(/\| 0 \|/);
  });
});
