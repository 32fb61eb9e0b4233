import { join } from 'node:path';
import { inject } from 'vitest';
import { ROOT } from '../../support/build-package.ts';
import { type Finisher, freePorts, type Program, startProgram } from './process.ts';

export interface Collector extends Program {
  /** Its OTLP receivers; of a recipe without, nobody listens there. */
  readonly httpUrl: string;
  readonly grpc: string;
}

export interface CollectorOptions {
  readonly recipe: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Of one that was there before. */
  readonly ports?: readonly [http: number, grpc: number];
}

/** The real Collector with a recipe as it stands in examples/collector: only the environment is ours. */
export async function startCollector(
  context: Finisher,
  { recipe, env = {}, ports }: CollectorOptions,
): Promise<Collector> {
  const [http = 0, grpc = 0] = ports ?? (await freePorts(2));
  const program = startProgram(
    context,
    inject('collector'),
    ['--config', join(ROOT, 'examples', 'collector', recipe)],
    {
      OTLP_HTTP: `127.0.0.1:${http}`,
      OTLP_GRPC: `127.0.0.1:${grpc}`,
      // Its own metrics would listen on a fixed port.
      METRICS_LEVEL: 'none',
      ...env,
    },
  );
  await program.printed(/Everything is ready/);
  return { ...program, httpUrl: `http://127.0.0.1:${http}`, grpc: `127.0.0.1:${grpc}` };
}
