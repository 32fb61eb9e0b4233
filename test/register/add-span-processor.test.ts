/** What providers of shapes that no SDK in the matrix has are done to. */
import { describe, expect, it } from 'vitest';
import { addSpanProcessor, isOurs } from '../../src/register/add-span-processor.ts';
import { ATTACHMENT, type Attachment } from '../../src/register/attachments.ts';

function attachment(log: string[] = []): Attachment {
  const note = (text: string) => async (): Promise<void> => void log.push(text);
  return {
    [ATTACHMENT]: true,
    onStart: () => log.push('our start'),
    onEnding: () => log.push('our ending'),
    onEnd: () => log.push('our end'),
    forceFlush: note('our flush'),
    shutdown: note('our shutdown'),
  };
}

describe('a processor of an unknown kind', () => {
  it('is accompanied in place, since tracers hold it', async () => {
    const log: string[] = [];
    const active = {
      onStart: () => log.push('start'),
      onEnd: () => log.push('end'),
      forceFlush: async () => void log.push('flush'),
      shutdown: async () => void log.push('shutdown'),
    };
    expect(addSpanProcessor({ _activeSpanProcessor: active }, () => attachment(log))).toBe('added');
    const held = active as unknown as Attachment;
    held.onStart({} as never);
    held.onEnding({} as never);
    held.onEnd({} as never);
    await held.forceFlush();
    await held.shutdown();
    expect(log).toEqual([
      ...['start', 'our start', 'our ending', 'end', 'our end'],
      ...['flush', 'our flush', 'shutdown', 'our shutdown'],
    ]);
    expect(addSpanProcessor({ _activeSpanProcessor: active }, attachment)).toBe('present');
  });

  it('that cannot be touched is left: nothing is made for it', () => {
    const active = Object.freeze({ onStart: () => {}, onEnd: () => {}, _spanProcessors: [] });
    const create = (): never => {
      throw new Error('made for nothing');
    };
    expect(addSpanProcessor({ _activeSpanProcessor: active }, create)).toBe('impossible');
    expect(addSpanProcessor({}, create)).toBe('impossible');
  });
});

describe('a list of processors', () => {
  it('is replaced: the app may use its array for another provider', () => {
    const given: object[] = [];
    const active = { onStart: () => {}, onEnd: () => {}, _spanProcessors: given };
    expect(addSpanProcessor({ _activeSpanProcessor: active }, attachment)).toBe('added');
    expect(given).toEqual([]);
    expect(active._spanProcessors).toHaveLength(1);
  });

  it('is found to have ours at any depth, and in either form', () => {
    const freeplay = { ledger: () => ({}), logRecordProcessor: {} };
    expect(isOurs(freeplay)).toBe(true);
    expect(isOurs({ _exporter: freeplay })).toBe(true);
    expect(isOurs({ _spanProcessors: [{}, { _spanProcessors: [{ _exporter: freeplay }] }] })).toBe(true);
    expect(isOurs({ _exporter: { export: () => {} } })).toBe(false);
    const ring: { _exporter?: object } = {};
    ring._exporter = ring;
    expect(isOurs(ring)).toBe(false);
  });
});

describe('SDK 1.x', () => {
  it('keeps the processor that it made from the environment', () => {
    const log: string[] = [];
    const active = { onStart: () => {}, onEnd: () => {}, shutdown: () => log.push('shut down') };
    const registered: object[] = [];
    const provider = {
      activeSpanProcessor: active,
      _registeredSpanProcessors: registered,
      addSpanProcessor(one: object) {
        if (registered.length === 0) active.shutdown();
        registered.push(one);
      },
    };
    expect(addSpanProcessor(provider, attachment)).toBe('added');
    expect(registered).toHaveLength(2);
    expect(log).toEqual([]);
  });
});
