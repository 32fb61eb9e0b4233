import { inject } from 'vitest';
import { type Finisher, type Program, startProgram } from './process.ts';

export const PROJECT = '0b8a6c1e-6f6f-4b52-9a55-3d1c7f1f9a10';

export interface Gateway extends Program {
  readonly url: string;
  readonly port: number;
}

export interface GatewayOptions {
  /** The completions API. */
  readonly api: { readonly baseUrl: string };
  /** @default any free one */
  readonly port?: number;
  readonly apiKey?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
}

/** `freeplay-otel gateway`, in a process of its own. */
export async function startGateway(
  context: Finisher,
  { api: { baseUrl }, port = 0, apiKey = 'sk-gateway', env = {}, args = [] }: GatewayOptions,
): Promise<Gateway> {
  const program = startProgram(
    context,
    process.execPath,
    [inject('cli'), 'gateway', '--port', String(port), ...args],
    { FREEPLAY_API_KEY: apiKey, FREEPLAY_PROJECT_ID: PROJECT, FREEPLAY_API_BASE: baseUrl, ...env },
  );
  const [, url = ''] = await program.printed(/listening on (http:\/\/[^\s"]+)/);
  return { ...program, url, port: Number(new URL(url).port) };
}
