/** Puts a `FreeplaySpanProcessor` beside whatever SDK the app registers, or sets one up. Nothing here may ever disturb the app. */

import { isSdkDisabled } from '../config.ts';
import { createLog, type Log } from '../log.ts';
import { addLogProcessor } from './add-log-processor.ts';
import { addSpanProcessor } from './add-span-processor.ts';
import { watchApiGlobals } from './api-globals.ts';
import { findAppSdk } from './app-sdk.ts';
import { type Attachments, createAttachments } from './attachments.ts';
import { offerStandby, type Standby } from './standby.ts';

/** Kept on `globalThis`: `--require` and `--import` load two copies of this file. */
const STARTED: unique symbol = Symbol.for('opentelemetry-exporter-freeplay.register');
/** An app may fetch secrets before it registers its SDK. */
const PATIENCE_MILLIS = 10_000;
const LINE =
  "import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay', and where the provider is created: spanProcessors: [new FreeplaySpanProcessor()]";
const REFUSED = `the SDK of this app was not registered: it uses another version of @opentelemetry/api than the SDK that is installed beside it. Run npm dedupe, or do not preload opentelemetry-exporter-freeplay/register. Add instead: ${LINE}`;

export function startRegistration(): void {
  try {
    const started = globalThis as { [STARTED]?: true };
    if (isSdkDisabled() || started[STARTED]) return;
    started[STARTED] = true;
    register(createLog(), createAttachments());
  } catch {
    // Not even a warning is worth an app that does not start.
  }
}

function register(log: Log, attachments: Attachments): void {
  const seen = new WeakSet<object>();
  const loggerProviders: object[] = [];
  let isRegistered = false;
  let standby: Standby | undefined;

  function addToLoggerProviders(): void {
    const processor = attachments.processor()?.logRecordProcessor;
    if (!processor) return;
    for (const provider of loggerProviders.splice(0))
      if (!addLogProcessor(provider, processor))
        log.info('GenAI log events cannot be joined to spans: the logger provider takes no processor');
  }

  const globals = watchApiGlobals({
    onTracerProvider(provider) {
      isRegistered = true;
      standby?.stepAside(provider);
      if (seen.has(provider)) return;
      seen.add(provider);
      const outcome = addSpanProcessor(provider, attachments.create);
      if (outcome === 'added') addToLoggerProviders();
      if (outcome === 'impossible') log.warnOnce('FREEPLAY_OTEL_NOT_CONFIGURED', impossible(provider));
    },
    onLoggerProvider(provider) {
      if (seen.has(provider)) return;
      seen.add(provider);
      // Held until a tracer provider takes our processor: one that has its own brings its own here, too.
      loggerProviders.push(provider);
      addToLoggerProviders();
    },
    onRefused: () => log.warnOnce('FREEPLAY_OTEL_NOT_CONFIGURED', REFUSED, 'refused'),
  });

  if (isRegistered || !globals.isEmpty('trace')) return;
  const sdk = findAppSdk();
  const advise = (): void => {
    if (!isRegistered) log.warnOnce('FREEPLAY_OTEL_NOT_CONFIGURED', nothingInstalled());
  };
  if (sdk)
    standby = offerStandby(sdk, globals, attachments, () =>
      log.warnOnce('FREEPLAY_OTEL_NOT_CONFIGURED', failed()),
    );
  else soon(advise);
}

/** After a while, or when the app has nothing left to do: whatever comes first. */
function soon(advise: () => void): void {
  setTimeout(advise, PATIENCE_MILLIS).unref();
  process.once('beforeExit', advise);
}

function impossible(provider: object): string {
  const name = provider.constructor?.name || 'unknown';
  return `no records are sent to Freeplay: the tracer provider of this app (${name}) takes no processor from outside. Add: ${LINE}`;
}

function failed(): string {
  return `no records are sent to Freeplay: the OpenTelemetry SDK of this app could not be set up from outside. Start it in the app. Add: ${LINE}`;
}

function nothingInstalled(): string {
  return `no records are sent to Freeplay: this app registers no OpenTelemetry SDK and has none that can be set up. Run: npm install ${packageToInstall()}`;
}

/** SDK 3.x refuses Node before 22.15. */
function packageToInstall(): string {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > 22 || (major === 22 && minor >= 15);
  return isNew ? '@opentelemetry/sdk-node' : '@opentelemetry/sdk-node@0.223';
}
