/** Adds a span processor to a tracer provider that exists. SDK 1.x has a method for that; of 2.x and 3.x the inside is found by structure. */
import { ATTACHMENT, type Attachment } from './attachments.ts';

/** `present`: the provider has one of ours already. `impossible`: its inside is none that we know. */
export type Outcome = 'added' | 'present' | 'impossible';

interface Processor {
  onStart(...args: readonly unknown[]): void;
  onEnding?(...args: readonly unknown[]): void;
  onEnd(...args: readonly unknown[]): void;
  forceFlush?(): Promise<void>;
  shutdown?(): Promise<void>;
  /** The SDK's own multi processor, in all majors. */
  _spanProcessors?: unknown;
}

interface Provider {
  /** SDK 1.x. */
  addSpanProcessor?: (processor: object) => void;
  readonly _registeredSpanProcessors?: unknown;
  readonly activeSpanProcessor?: unknown;
  /** SDK 2.x and later. */
  readonly _activeSpanProcessor?: unknown;
}

/** How deep processors that hold processors are looked into. */
const MAX_DEPTH = 4;

/** @param create called once a place is found, so that nothing is made, and nothing said, for a provider that has no place */
export function addSpanProcessor(provider: object, create: () => Attachment): Outcome {
  const active = activeProcessorOf(provider);
  if (active && isOurs(active)) return 'present';
  const ways = [addByMethod, addToList, addAround];
  return ways.some((way) => succeeds(() => way(provider, active, create))) ? 'added' : 'impossible';
}

function succeeds(way: () => boolean): boolean {
  try {
    return way();
  } catch {
    return false;
  }
}

function activeProcessorOf(provider: Provider): Processor | undefined {
  return [provider._activeSpanProcessor, provider.activeSpanProcessor].find(isProcessor);
}

function isProcessor(value: unknown): value is Processor {
  const { onStart, onEnd } = (value ?? {}) as { onStart?: unknown; onEnd?: unknown };
  return typeof onStart === 'function' && typeof onEnd === 'function';
}

function addByMethod(provider: Provider, active: Processor | undefined, create: () => Attachment): boolean {
  const add = provider.addSpanProcessor;
  if (typeof add !== 'function') return false;
  const registered = provider._registeredSpanProcessors;
  // With none registered the SDK would shut down the one it made from the environment.
  if (Array.isArray(registered) && registered.length === 0 && active) registered.push(active);
  const attachment = create();
  add.call(provider, attachment);
  stepAsideForOurs(provider, add, attachment);
  return true;
}

/** An app that adds its own processor after it has registered the provider gets every record once. */
function stepAsideForOurs(
  provider: Provider,
  add: (processor: object) => void,
  attachment: Attachment,
): void {
  provider.addSpanProcessor = (processor) => {
    if (isOurs(processor)) attachment.shutdown().catch(() => {});
    add.call(provider, processor);
  };
}

/** The list may be the very array that the app passed: it is replaced, not written to. */
function addToList(_provider: Provider, active: Processor | undefined, create: () => Attachment): boolean {
  const list = active?._spanProcessors;
  if (!active || !Array.isArray(list) || isReadOnly(active, '_spanProcessors')) return false;
  active._spanProcessors = [...list, create()];
  return true;
}

function isReadOnly(holder: object, key: string): boolean {
  const property = Object.getOwnPropertyDescriptor(holder, key);
  return property === undefined || property.writable !== true;
}

/** In place, because tracers that exist hold the processor itself. */
function addAround(_provider: Provider, active: Processor | undefined, create: () => Attachment): boolean {
  if (!active || !Object.isExtensible(active)) return false;
  const { onStart, onEnding, onEnd, forceFlush, shutdown } = active;
  const attachment = create();
  Object.assign(active, {
    [ATTACHMENT]: true,
    onStart: (...args: Parameters<Attachment['onStart']>) => {
      onStart.apply(active, args);
      attachment.onStart(...args);
    },
    onEnding: (...args: Parameters<Attachment['onEnding']>) => {
      onEnding?.apply(active, args);
      attachment.onEnding(...args);
    },
    onEnd: (...args: Parameters<Attachment['onEnd']>) => {
      onEnd.apply(active, args);
      attachment.onEnd(...args);
    },
    forceFlush: () => both(forceFlush?.call(active), attachment.forceFlush()),
    shutdown: () => both(shutdown?.call(active), attachment.shutdown()),
  });
  return true;
}

async function both(theirs: Promise<void> | undefined, ours: Promise<void>): Promise<void> {
  await Promise.all([theirs, ours]);
}

/** By structure: an app may use the other format of this package, or a bundled copy of it. */
export function isOurs(candidate: unknown, depth: number = 0): boolean {
  if (typeof candidate !== 'object' || candidate === null || depth > MAX_DEPTH) return false;
  if (ATTACHMENT in candidate) return true;
  const { ledger, logRecordProcessor, _exporter, _spanProcessors } = candidate as {
    ledger?: unknown;
    logRecordProcessor?: unknown;
    /** Of the SDK's batch and simple processors: our exporter does what our processor would. */
    _exporter?: unknown;
    _spanProcessors?: unknown;
  };
  if (typeof ledger === 'function' && typeof logRecordProcessor === 'object') return true;
  const inner = Array.isArray(_spanProcessors) ? _spanProcessors : [_exporter];
  return inner.some((one) => isOurs(one, depth + 1));
}
