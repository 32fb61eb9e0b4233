/**
 * An SDK for an app that has none: offered before the app starts, made when the first span or context needs it, and left for the app's own
 * as soon as there is one.
 */
import type { Context, ContextManager, Span, SpanOptions, Tracer, TracerProvider } from '@opentelemetry/api';
import type { ApiGlobals } from './api-globals.ts';
import type { AppSdk } from './app-sdk.ts';
import type { Attachments } from './attachments.ts';

export interface Standby {
  /** The app has registered its own: tracers that were handed out before go there from now on. */
  stepAside(provider: object): void;
}

/** @param onFailure the SDK could not be set up; called at most once */
export function offerStandby(
  sdk: AppSdk,
  globals: ApiGlobals,
  attachments: Attachments,
  onFailure: () => void,
): Standby {
  const { api } = sdk;
  const none: TracerProvider = new api.ProxyTracerProvider();
  let provider: TracerProvider | undefined;
  let manager: ContextManager | undefined;

  /** Only once: what goes wrong would go wrong again, and loading the SDK may itself ask for a tracer. */
  function start(): void {
    if (provider) return;
    provider = none;
    const attachment = attachments.create();
    try {
      const made = globals.capture(() => sdk.start(attachment));
      provider = made.get('trace') as TracerProvider | undefined;
      manager = made.get('context') as ContextManager | undefined;
      const propagator = made.get('propagation') as Parameters<typeof api.propagation.setGlobalPropagator>[0];
      if (propagator && globals.isEmpty('propagation'))
        globals.lend(() => api.propagation.setGlobalPropagator(propagator));
      if (!provider) throw new Error('the SDK registered no tracer provider');
    } catch {
      provider = none;
      attachment.shutdown().catch(() => {});
      onFailure();
    }
  }

  const current = (): TracerProvider => {
    start();
    return provider ?? none;
  };

  const contextManager = createContextManager(
    api.ROOT_CONTEXT,
    () => {
      start();
      return manager;
    },
    () => manager,
  );

  globals.lend(() => {
    if (globals.isEmpty('context')) api.context.setGlobalContextManager(contextManager);
    api.trace.setGlobalTracerProvider({ getTracer: (...args) => createTracer(current, args) });
  });
  return {
    stepAside: (own) => {
      provider = own as TracerProvider;
    },
  };
}

/** Libraries keep their tracers for good: this one asks each time who is in charge. */
function createTracer(provider: () => TracerProvider, args: Parameters<TracerProvider['getTracer']>): Tracer {
  let from: TracerProvider | undefined;
  let tracer: Tracer | undefined;
  const current = (): Tracer => {
    const now = provider();
    if (!tracer || now !== from) {
      from = now;
      tracer = now.getTracer(...args);
    }
    return tracer;
  };
  const startActiveSpan = (...all: Parameters<Tracer['startActiveSpan']>): unknown =>
    current().startActiveSpan(...all);
  return {
    startSpan: (name: string, options?: SpanOptions, parent?: Context): Span =>
      current().startSpan(name, options, parent),
    startActiveSpan: startActiveSpan as Tracer['startActiveSpan'],
  };
}

/** Does what the API does without a manager until the SDK has brought one. */
function createContextManager(
  root: Context,
  start: () => ContextManager | undefined,
  current: () => ContextManager | undefined,
): ContextManager {
  const manager: ContextManager = {
    active: () => current()?.active() ?? root,
    with: (context, fn, thisArg, ...args) => {
      const real = start();
      return real ? real.with(context, fn, thisArg, ...args) : fn.call(thisArg as never, ...args);
    },
    bind: (context, target) => start()?.bind(context, target) ?? target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}
