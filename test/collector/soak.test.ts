/**
 * Full load, an API that fails at random, a gateway that is killed and started again: every completion exactly once.
 *
 * One minute and one kill; `VITEST_LONG=1`: ten minutes and ten kills, with and without a spool.
 */
import { expect, it, onTestFinished } from 'vitest';
import { startCollector } from './support/collector.ts';
import { startCountingApi } from './support/counting-api.ts';
import { type Gateway, startGateway } from './support/gateway.ts';
import { makeFolder, until } from './support/process.ts';
import { callIdsOf, createApp, createSpanSender } from './support/traffic.ts';

const LONG = process.env.VITEST_LONG !== undefined;
const DURATION_MILLIS = LONG ? 600_000 : 60_000;
const KILLS = LONG ? 10 : 1;
const DRAIN_MILLIS = 180_000;
const FAILURE_SHARE = 0.03;
/** Of completions that were sent and are not recorded yet: always more than the gateway can do at once, never more than memory holds. */
const BACKLOG = 4_000;
const TRACES_PER_REQUEST = 10;

const context = { onTestFinished };

const sleep = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis));

it.each(LONG ? ['without a spool', 'with a spool'] : ['with a spool'])(
  '%s: every completion is recorded once',
  async (spool) => {
    const api = await startCountingApi(context, { failureShare: FAILURE_SHARE });
    const env: Record<string, string> =
      spool === 'with a spool' ? { FREEPLAY_SPOOL_DIR: makeFolder(context) } : {};
    let gateway: Gateway = await startGateway(context, { api, env });
    const collector = await startCollector(context, {
      recipe: 'agent-to-gateway.yaml',
      env: { FREEPLAY_GATEWAY: gateway.url },
    });
    const sender = createSpanSender(collector.httpUrl);
    const app = createApp();
    const expected = new Set<string>();
    const start = performance.now();
    const passed = (): number => performance.now() - start;

    const load = async (): Promise<void> => {
      while (passed() < DURATION_MILLIS) {
        if (expected.size - api.completions.size > BACKLOG) {
          await sleep(5);
          continue;
        }
        const spans = Array.from({ length: TRACES_PER_REQUEST }, app.makeTrace).flat();
        for (const id of callIdsOf(spans)) expected.add(id);
        await sender.send(spans);
      }
    };
    const kills = async (): Promise<void> => {
      for (let n = 1; n <= KILLS; n++) {
        await sleep((DURATION_MILLIS * (n - 0.5)) / KILLS - passed());
        // Something must be under way, or the kill proves nothing.
        expect(expected.size).toBeGreaterThan(api.completions.size);
        await gateway.kill('SIGKILL');
        gateway = await startGateway(context, { api, env, port: gateway.port });
      }
    };
    await Promise.all([load(), load(), load(), load(), kills()]);
    const rate = api.completions.size / (passed() / 1_000);
    const missing = (): string[] => [...expected].filter((id) => !api.completions.has(id));
    await until(
      () => api.completions.size >= expected.size,
      DRAIN_MILLIS,
      () => `${missing().length} of ${expected.size} completions are missing, such as ${missing()[0]}`,
    );
    expect(await collector.kill('SIGTERM')).toBe(0);
    expect(await gateway.kill('SIGTERM')).toBe(0);
    console.log(
      `${expected.size} completions, ${Math.round(rate)}/s, ${KILLS} kills, ${JSON.stringify(api.counts)}`,
    );
    expect(missing()).toEqual([]);
    expect([...api.completions.keys()].filter((id) => !expected.has(id))).toEqual([]);
    expect(api.changed).toEqual([]);
    expect(api.counts.failures).toBeGreaterThan(0);
  },
  DURATION_MILLIS + DRAIN_MILLIS + 60_000,
);
