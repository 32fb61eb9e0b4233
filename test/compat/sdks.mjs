/**
 * The three SDK majors behind one face. This is what differs for a user too: names of packages, constructors, and how log
 * processors and resources are given.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/**
 * @typedef {'cjs' | 'esm'} Format
 * @typedef {'batch' | 'simple'} ProcessorKind
 */

/**
 * Loads the SDK and our package out of a project's `node_modules`.
 *
 * @param {{ project: string, major: number, format: Format }} options
 */
export async function loadSdk({ project, major, format }) {
  const load = await loaderFor(project, format);
  const api = await load('@opentelemetry/api');
  const sdk = await load(major === 3 ? '@opentelemetry/sdk-trace' : '@opentelemetry/sdk-trace-base');
  const resources = await load('@opentelemetry/resources');
  const { LoggerProvider } = await load('@opentelemetry/sdk-logs');
  const { AsyncLocalStorageContextManager } = await load('@opentelemetry/context-async-hooks');
  const freeplay = await load('opentelemetry-exporter-freeplay');

  /** @param {Record<string, string>} attributes */
  const createResource = (attributes) =>
    major === 1 ? new resources.Resource(attributes) : resources.resourceFromAttributes(attributes);

  /** @param {ProcessorKind} kind @param {object} exporter */
  const createProcessor = (kind, exporter) => {
    const Processor = kind === 'batch' ? sdk.BatchSpanProcessor : sdk.SimpleSpanProcessor;
    return major === 3 ? new Processor({ exporter }) : new Processor(exporter);
  };

  return {
    api,
    freeplay,
    createProcessor,
    createInMemoryExporter: () => new sdk.InMemorySpanExporter(),

    /** @param {{ resource: Record<string, string>, spanProcessors: object[], idGenerator: object }} options */
    createTracerProvider({ resource, spanProcessors, idGenerator }) {
      const Provider = major === 3 ? sdk.TracerProvider : sdk.BasicTracerProvider;
      api.context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
      return new Provider({ resource: createResource(resource), spanProcessors, idGenerator });
    },

    /** @param {{ resource: Record<string, string>, processor: object }} options */
    createLoggerProvider({ resource, processor }) {
      if (major > 1)
        return new LoggerProvider({ resource: createResource(resource), processors: [processor] });
      const provider = new LoggerProvider({ resource: createResource(resource) });
      provider.addLogRecordProcessor(processor);
      return provider;
    },
  };
}

/** @param {string} project @param {Format} format @returns {Promise<(specifier: string) => any>} */
async function loaderFor(project, format) {
  if (format === 'cjs') return createRequire(join(project, 'package.json'));
  const { load } = await import(pathToFileURL(join(project, 'load.mjs')).href);
  return load;
}
