import type { TestProject } from 'vitest/node';
import { buildCli } from '../cli/build-cli.ts';
import { prepare } from './support/tools.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The Collector's binary. */
    collector: string;
    /** The script of `freeplay-otel`, as it is published. */
    cli: string;
  }
}

/** Once for all files: the Collector is found or built, our command is built. */
export async function setup(project: TestProject): Promise<() => void> {
  project.provide('collector', prepare('collector'));
  const cli = await buildCli();
  project.provide('cli', cli.main);
  return cli.remove;
}
