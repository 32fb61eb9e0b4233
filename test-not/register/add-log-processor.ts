/** Adds a log record processor to a logger provider that exists. */
import type { FreeplayLogRecordProcessor } from '../exporter/log-record-processor.ts';

interface LoggerProvider {
  /** SDK 1.x and early 2.x. */
  addLogRecordProcessor?: (processor: object) => void;
  readonly _sharedState?: SharedState;
}

interface SharedState {
  /** Who is asked whether a log is wanted. */
  processors?: unknown;
  registeredLogRecordProcessors?: unknown;
  activeProcessor?: { processors?: unknown };
}

/** @returns false if the provider has no place for it */
export function addLogProcessor(provider: object, processor: FreeplayLogRecordProcessor): boolean {
  try {
    const { addLogRecordProcessor, _sharedState } = provider as LoggerProvider;
    if (typeof addLogRecordProcessor === 'function') {
      addLogRecordProcessor.call(provider, processor);
      return true;
    }
    return _sharedState !== undefined && addToState(_sharedState, processor);
  } catch {
    return false;
  }
}

/** Lists are replaced, not written to: they may be the array that the app passed. */
function addToState(state: SharedState, processor: FreeplayLogRecordProcessor): boolean {
  const { activeProcessor, registeredLogRecordProcessors: registered } = state;
  if (!activeProcessor || !Array.isArray(registered)) return false;
  const list = [...registered, processor];
  if (Array.isArray(activeProcessor.processors)) activeProcessor.processors = list;
  // Without any processor the SDK has one here that does nothing.
  else if (registered.length === 0) state.activeProcessor = processor as { processors?: unknown };
  else return false;
  state.registeredLogRecordProcessors = list;
  if (Array.isArray(state.processors)) state.processors = list;
  return true;
}
