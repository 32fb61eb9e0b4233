/** Runs in a process of its own: loads the set-up of an app and tells what has been registered. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { isOurs } from '../../register/add-span-processor.ts';
import type { BatchLimits } from './batches.ts';
import type { SetupProcessor, SetupReport } from './setup.ts';

/** A set-up may be at work after it was loaded: secrets are fetched first. */
const PATIENCE_MILLIS = 5_000;
const LOOK_MILLIS = 50;
const MAX_DEPTH = 4;

/** Of every copy of the API, whatever its version. */
const API: unique symbol = Symbol.for('opentelemetry.js.api.1');
const LOGS_API: unique symbol = Symbol.for('io.opentelemetry.js.api.logs');

type Globals = { [API]?: { trace?: unknown; logs?: unknown }; [LOGS_API]?: unknown };

/** Sends the report to the process that started this one. */
export async function tellSetup(file: string): Promise<void> {
  process.send?.(await inspectSetup(file));
}

async function inspectSetup(file: string): Promise<SetupReport> {
  try {
    await import(pathToFileURL(resolve(file)).href);
  } catch (error) {
    return {
      kind: 'failed',
      message: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    };
  }
  const end = performance.now() + PATIENCE_MILLIS;
  for (let provider = providerNow(); ; provider = providerNow()) {
    if (provider !== undefined) return describe(provider);
    if (performance.now() > end) return { kind: 'none' };
    await new Promise((resolve) => setTimeout(resolve, LOOK_MILLIS));
  }
}

/** Behind the proxy that the API registers. */
function providerNow(): object | undefined {
  const registered = (globalThis as Globals)[API]?.trace as { getDelegate?: () => unknown } | undefined;
  const provider = registered?.getDelegate?.() ?? registered;
  const isReal = typeof provider === 'object' && provider !== null && activeOf(provider) !== undefined;
  return isReal ? provider : undefined;
}

interface Provider {
  readonly _activeSpanProcessor?: unknown;
  /** SDK 1.x. */
  readonly activeSpanProcessor?: unknown;
  getTracer?(name: string): { readonly _sampler?: unknown; readonly _spanLimits?: unknown } | undefined;
}

function activeOf({ _activeSpanProcessor, activeSpanProcessor }: Provider): object | undefined {
  const active = _activeSpanProcessor ?? activeSpanProcessor;
  return typeof active === 'object' && active !== null ? active : undefined;
}

function describe(provider: Provider): SetupReport {
  const tracer = provider.getTracer?.('freeplay-otel doctor');
  const { attributeValueLengthLimit: limit } = (tracer?._spanLimits ?? {}) as {
    attributeValueLengthLimit?: unknown;
  };
  const globals = globalThis as Globals;
  return {
    kind: 'found',
    sampler: tracer?._sampler === undefined ? undefined : String(tracer._sampler),
    attributeValueLengthLimit: typeof limit === 'number' && Number.isFinite(limit) ? limit : undefined,
    processors: processorsIn(activeOf(provider), 0),
    logs: logsOf(loggerProvider(globals), ourLogProcessors(activeOf(provider), 0)),
  };
}

function loggerProvider({ [LOGS_API]: getter, [API]: api }: Globals): unknown {
  // The version that every release so far asks for.
  return typeof getter === 'function' ? getter(1) : (api?.logs ?? getter);
}

/** The processor of an exporter or processor of ours is known by being the same object. */
function logsOf(
  provider: unknown,
  ours: readonly unknown[],
): Extract<SetupReport, { kind: 'found' }>['logs'] {
  if (provider === undefined) return 'none';
  const { _sharedState: state } = provider as { _sharedState?: Record<string, unknown> };
  const active = state?.activeProcessor as { processors?: unknown } | undefined;
  const lists = [state?.registeredLogRecordProcessors, state?.processors, active?.processors];
  if (!lists.some(Array.isArray)) return 'unknown';
  return [...lists.flat(), active].some((one) => ours.includes(one)) ? 'ours' : 'others';
}

function ourLogProcessors(processor: unknown, depth: number): readonly unknown[] {
  if (typeof processor !== 'object' || processor === null || depth > MAX_DEPTH) return [];
  const { _spanProcessors, _exporter, logRecordProcessor } = processor as {
    _spanProcessors?: unknown;
    _exporter?: unknown;
    logRecordProcessor?: unknown;
  };
  const inner = Array.isArray(_spanProcessors) ? _spanProcessors : [_exporter];
  return [
    ...(logRecordProcessor === undefined ? [] : [logRecordProcessor]),
    ...inner.flatMap((one) => ourLogProcessors(one, depth + 1)),
  ];
}

/** The SDK's own lists of processors are opened; they are nothing to a person. */
function processorsIn(processor: unknown, depth: number): readonly SetupProcessor[] {
  if (typeof processor !== 'object' || processor === null || depth > MAX_DEPTH) return [];
  const { _spanProcessors, _exporter } = processor as { _spanProcessors?: unknown; _exporter?: unknown };
  if (Array.isArray(_spanProcessors)) return _spanProcessors.flatMap((one) => processorsIn(one, depth + 1));
  const name = nameOf(processor);
  if (name === 'NoopSpanProcessor') return [];
  return [
    {
      name,
      isOurs: isOurs(processor),
      ...(_exporter !== undefined && { exporter: nameOf(_exporter) }),
      ...limitsOf(processor),
    },
  ];
}

function nameOf(value: unknown): string {
  const name = (value as { constructor?: { name?: unknown } } | null | undefined)?.constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'unnamed';
}

function limitsOf(processor: object): { readonly limits?: BatchLimits } {
  const held = processor as Record<string, unknown>;
  const limits = {
    maxQueueSize: held._maxQueueSize,
    maxExportBatchSize: held._maxExportBatchSize,
    scheduledDelayMillis: held._scheduledDelayMillis,
    exportTimeoutMillis: held._exportTimeoutMillis,
  };
  return Object.values(limits).every((one) => typeof one === 'number')
    ? { limits: limits as BatchLimits }
    : {};
}
