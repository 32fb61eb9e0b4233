/** The OpenTelemetry SDK that the app has installed, loaded as the app would load it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isAbsolute, join, sep } from 'node:path';
import type * as OpenTelemetryApi from '@opentelemetry/api';
import type { Attachment } from './attachments.ts';

export interface AppSdk {
  /** The copy of the API that the SDK registers with. */
  readonly api: typeof OpenTelemetryApi;
  /** Creates and registers a tracer provider. Slow: the SDK is loaded here. */
  start(attachment: Attachment): void;
}

/** Loads what the SDK itself would load by that name. */
type Load = (name: string) => unknown;

interface NodeSdkModule {
  NodeSDK: new (options: object) => { start(): unknown };
}

interface TraceNodeModule {
  NodeTracerProvider: new (options: object) => { register(): void };
}

/** The one that reads `OTEL_*` comes first. */
const STARTS: Readonly<Record<string, (sdk: unknown, attachment: Attachment, load: Load) => void>> = {
  '@opentelemetry/sdk-node': (sdk, attachment, load) => {
    const { NodeSDK } = sdk as NodeSdkModule;
    new NodeSDK({
      spanProcessors: [attachment],
      // Empty lists: left out, the SDK would send metrics and logs to localhost:4318.
      logRecordProcessors: [],
      metricReaders: [],
      ...resourceDetectors(load),
    }).start();
  },
  '@opentelemetry/sdk-trace-node': (sdk, attachment) => {
    const { NodeTracerProvider } = sdk as TraceNodeModule;
    new NodeTracerProvider({ spanProcessors: [attachment] }).register();
  },
};

/** The name of the service and what else the environment gives. The others ask about the machine, which nobody reads, and take their time. */
function resourceDetectors(load: Load): { resourceDetectors?: readonly object[] } {
  const { envDetectorSync, envDetector } = load('@opentelemetry/resources') as {
    /** SDK 1.x. */
    envDetectorSync?: object;
    envDetector?: object;
  };
  const detector = envDetectorSync ?? envDetector;
  return detector ? { resourceDetectors: [detector] } : {};
}

/** `undefined` if the app has none of those that can be set up without a line of code. */
export function findAppSdk(): AppSdk | undefined {
  const [, main] = process.argv;
  const places = [...(main !== undefined && isAbsolute(main) ? [main] : []), join(process.cwd(), 'app.js')];
  for (const place of places)
    for (const [name, start] of Object.entries(STARTS)) {
      const sdk = loadFrom(place, name, start);
      if (sdk) return sdk;
    }
  return undefined;
}

function loadFrom(
  place: string,
  name: string,
  start: (sdk: unknown, attachment: Attachment, load: Load) => void,
): AppSdk | undefined {
  try {
    const app = createRequire(place);
    const entry = app.resolve(name);
    const load = createRequire(entry);
    if (apiVersion(app) !== apiVersion(load)) return undefined;
    const api = load('@opentelemetry/api') as typeof OpenTelemetryApi;
    return { api, start: (attachment) => start(load(entry), attachment, load) };
  } catch {
    return undefined;
  }
}

/** The API refuses a second version, and ours would come first: the app's own registration would fail. */
function apiVersion(from: NodeJS.Require): string {
  const folder = join('node_modules', '@opentelemetry', 'api') + sep;
  const entry = from.resolve('@opentelemetry/api');
  const manifest = join(entry.slice(0, entry.lastIndexOf(folder) + folder.length), 'package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
