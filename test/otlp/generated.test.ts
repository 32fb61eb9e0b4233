import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const GENERATED = join(import.meta.dirname, 'generated');

function filesOf(folder: string): ReadonlyMap<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  return new Map(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

it('the generated code is that of the schema beside it', () => {
  const out = mkdtempSync(join(tmpdir(), 'otlp-generated-'));
  onTestFinished(() => rmSync(out, { recursive: true, force: true }));
  const template = readFileSync(join(import.meta.dirname, 'buf.gen.yaml'), 'utf8');
  const elsewhere = join(out, 'buf.gen.yaml');
  writeFileSync(elsewhere, template.replace('out: test/otlp/generated', `out: ${out}`));
  execFileSync(join(ROOT, 'node_modules', '.bin', 'buf'), ['generate', '--template', elsewhere], {
    cwd: ROOT,
  });
  expect(filesOf(GENERATED).size).toBe(6);
  expect(filesOf(out)).toEqual(filesOf(GENERATED));
});
