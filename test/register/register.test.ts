/** Zero code, in real processes: three SDK majors, both formats, with and without an SDK in the app. */
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AppResult,
  type AppRun,
  buildPackage,
  type Format,
  installProject,
  nodeBinary,
  type Posted,
  type ProjectName,
  type Receiver,
  runApp,
  startReceiver,
} from './support.ts';

const NAMES: readonly ProjectName[] = ['sdk-1', 'sdk-2', 'sdk-3', 'node-sdk-1', 'node-sdk-2', 'none'];
const MAJORS = [1, 2, 3] as const;
const FORMATS: readonly Format[] = ['esm', 'cjs'];
const NODE_SDKS: readonly [1 | 2 | 3, ProjectName][] = [
  [1, 'node-sdk-1'],
  [2, 'node-sdk-2'],
  [3, 'sdk-3'],
];
const EACH = MAJORS.flatMap((major) => FORMATS.map((format) => [major, format] as const));
const REQUEST = ['chat gpt-4o', 'POST /chat'];

const projects = new Map<ProjectName, string>();
let packageFolder: string;
let receiver: Receiver;
let node24: string;

beforeAll(async () => {
  [packageFolder, receiver, node24] = await Promise.all([buildPackage(), startReceiver(), nodeBinary('24')]);
  for (const name of NAMES) projects.set(name, await installProject(name, packageFolder));
}, 300_000);
afterAll(async () => {
  await receiver?.close();
  for (const folder of [packageFolder, ...projects.values()])
    if (folder) await rm(folder, { recursive: true, force: true });
});

async function run(
  major: 1 | 2 | 3,
  format: Format,
  mode: string,
  more: Partial<AppRun> = {},
): Promise<AppResult & { completions: readonly Posted[] }> {
  const project = more.project ?? projects.get(`sdk-${major}`)!;
  // SDK 3.x refuses older ones.
  const node = major === 3 ? node24 : process.execPath;
  receiver.takePosts();
  const result = await runApp({ node, project, format, major, mode, ...more }, receiver);
  expect(result.code, result.err).toBe(0);
  const completions = receiver.takePosts().filter(({ path }) => path.endsWith('/completions'));
  return { ...result, completions };
}

describe('an app that registers an SDK', () => {
  it.each(
    EACH,
  )('SDK %i.x, %s: is recorded, log events and all, and keeps its own spans', async (major, format) => {
    const { completions, out, err } = await run(major, format, 'own');
    expect(completions.map(({ body }) => JSON.parse(body).messages?.length > 0)).toEqual([true]);
    expect(completions[0]?.body).toContain('said in a log event');
    expect(out.others).toEqual(REQUEST);
    expect(err).toBe('');
  });

  it.each(
    EACH,
  )('SDK %i.x, %s: late and without a word of complaint, after spans of others', async (major, format) => {
    const { completions, out, err } = await run(major, format, 'late');
    expect(completions).toHaveLength(3);
    // The first request was before; the tracer of then goes to the SDK of now.
    expect(out).toMatchObject({ registered: true, others: [...REQUEST, ...REQUEST], complaints: [] });
    expect(err).toBe('');
  });

  it.each(EACH)('SDK %i.x, %s: late, and none is set up in the meantime', async (major, format) => {
    const { completions, out } = await run(major, format, 'late-unused');
    expect(completions).toHaveLength(1);
    expect(out).toMatchObject({ registered: true, others: REQUEST, complaints: [], loadedNodeSdk: false });
  });

  it.each(NODE_SDKS)('SDK %i.x: late and with NodeSDK, which registers all there is', async (major, name) => {
    const project = projects.get(name)!;
    for (const format of FORMATS) {
      const env = { OTEL_LOGS_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' };
      const { completions, out, err } = await run(major, format, 'node-sdk', { project, env });
      expect(completions).toHaveLength(2);
      expect(out).toMatchObject({ others: REQUEST, complaints: [] });
      expect(err).toBe('');
    }
  });

  it.each(MAJORS)('SDK %i.x: registers with another copy of the API than its libraries', async (major) => {
    const { completions, out, err } = await run(major, 'cjs', 'copy');
    expect(completions).toHaveLength(1);
    expect(out).toMatchObject({ registered: true, isCopy: true, others: REQUEST, complaints: [] });
    expect(err).toBe('');
  });

  it.each(MAJORS)('SDK %i.x: is left alone where it has our processor', async (major) => {
    for (const format of FORMATS) {
      const { completions, out, err } = await run(major, format, 'present');
      expect(completions).toHaveLength(1);
      expect(out.others).toEqual(REQUEST);
      expect(err).toBe('');
    }
  });

  it.each(MAJORS)('SDK %i.x: is left alone where it has our exporter', async (major) => {
    const { completions, err } = await run(major, 'esm', 'exporter');
    expect(completions).toHaveLength(1);
    expect(err).toBe('');
  });

  it('SDK 1.x: adds our processor after it has registered: every call once', async () => {
    const { completions } = await run(1, 'esm', 'add');
    expect(completions).toHaveLength(1);
  });

  it.each(
    MAJORS,
  )('SDK %i.x: is replaced by another one and shut down, as a hot reload does', async (major) => {
    const { completions, out, err } = await run(major, 'esm', 'twice');
    expect(completions).toHaveLength(2);
    expect(out.others).toEqual(REQUEST);
    expect(err).toBe('');
  });

  it.each(EACH)('SDK %i.x, %s: registers in a file that is preloaded before ours', async (major, format) => {
    const flag = format === 'esm' ? '--import' : '--require';
    const preload = [flag, './preloaded.cjs', flag, 'opentelemetry-exporter-freeplay/register'];
    const { completions, err } = await run(major, format, 'none', { preload });
    expect(completions).toHaveLength(1);
    expect(err).toBe('');
  });

  it('has another version of the API: one warning that says so, and what it registers next works', async () => {
    const project = projects.get('sdk-2')!;
    const copy = join(project, 'copy', 'node_modules', '@opentelemetry', 'api');
    await rename(copy, `${copy}-kept`);
    await cp(join(projects.get('sdk-1')!, 'node_modules', '@opentelemetry', 'api'), copy, {
      recursive: true,
    });
    const { out, warnings } = await run(2, 'cjs', 'refused');
    await rm(copy, { recursive: true });
    await rename(`${copy}-kept`, copy);
    expect(out).toMatchObject({ registered: false, again: true });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/another version of @opentelemetry\/api/);
  });

  it('whose inside nobody knows: one warning with the line to add', async () => {
    const { completions, warnings, out } = await run(2, 'esm', 'foreign');
    expect(completions).toEqual([]);
    expect(out.registered).toBe(true);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/StrangeProvider.*spanProcessors: \[new FreeplaySpanProcessor\(\)\]/);
  });
});

describe('an app without an SDK', () => {
  it.each(EACH)('SDK %i.x, %s: gets the one that is installed', async (major, format) => {
    const { completions, err } = await run(major, format, 'none');
    expect(completions).toHaveLength(1);
    // The call is below the request across an await: the context manager works, too.
    expect(JSON.parse(completions[0]!.body).trace_info ?? {}).not.toEqual({});
    expect(err).toBe('');
  });

  it.each(NODE_SDKS)('SDK %i.x: gets NodeSDK, which obeys the environment', async (major, name) => {
    const project = projects.get(name)!;
    const { completions, err } = await run(major, 'esm', 'none', { project });
    expect(completions).toHaveLength(1);
    expect(err).toBe('');
    const off = await run(major, 'esm', 'none', { project, env: { OTEL_TRACES_SAMPLER: 'always_off' } });
    expect(off.completions).toEqual([]);
  });

  it.each(FORMATS)('%s: and none installed: one warning that says what to install', async (format) => {
    const { completions, warnings } = await run(2, format, 'none', { project: projects.get('none')! });
    expect(completions).toEqual([]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/npm install @opentelemetry\/sdk-node/);
  });
});

describe('preloading', () => {
  it.each(MAJORS)('SDK %i.x: twice, in both formats, records once', async (major) => {
    const name = 'opentelemetry-exporter-freeplay/register';
    const preload = ['--require', name, '--import', name];
    const { completions } = await run(major, 'esm', 'own', { preload });
    expect(completions).toHaveLength(1);
  });

  it.each(MAJORS)('SDK %i.x: OTEL_SDK_DISABLED=true: nothing is done', async (major) => {
    const env = { OTEL_SDK_DISABLED: 'True' };
    for (const mode of ['own', 'none']) {
      const { completions, err } = await run(major, 'esm', mode, { env });
      expect(completions).toEqual([]);
      expect(err).toBe('');
    }
  });

  it.each(
    MAJORS,
  )('SDK %i.x: without a key: the one warning of the processor, and the app works', async (major) => {
    const env = { FREEPLAY_API_KEY: '' };
    for (const mode of ['own', 'none']) {
      const { completions, out, warnings } = await run(major, 'cjs', mode, { env });
      expect(completions).toEqual([]);
      expect(out.others).toEqual(mode === 'own' ? REQUEST : []);
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toContain('FREEPLAY_API_KEY');
    }
  });
});
