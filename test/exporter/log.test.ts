import { expect, it, onTestFinished, vi } from 'vitest';
import { createLog } from '../../src/log.ts';
import { listenForWarnings, warnings } from '../faults/warnings.ts';

listenForWarnings();

it('a warning comes again after a minute, also where the clock is set back', () => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const log = createLog();
  const warn = () => log.warn('FREEPLAY_OTEL_SPOOL', 'the disk is full');
  warn();
  vi.advanceTimersByTime(30_000);
  warn();
  expect(warnings('the disk is full')).toHaveLength(1);
  vi.setSystemTime(Date.now() - 86_400_000);
  vi.advanceTimersByTime(31_000);
  warn();
  expect(warnings('the disk is full')).toHaveLength(2);
});
