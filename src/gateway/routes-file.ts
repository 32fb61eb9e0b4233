/** The file that says which spans go to which project, with which key. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { environmentText } from '../config.ts';

export interface FileRoute {
  readonly name: string;
  readonly when: readonly (readonly [key: string, value: string])[];
  readonly projectId: string;
  readonly apiKey: string | undefined;
  readonly baseUrl: string | undefined;
}

const schema = z.array(
  z.strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/i, 'letters, digits, _ and - alone'),
    when: z.record(z.string().min(1), z.union([z.string(), z.number(), z.boolean()])).optional(),
    projectId: z.string().min(1),
    /** The environment variable, or the file, that holds its key; without either the gateway's own. */
    keyEnv: z.string().min(1).optional(),
    keyFile: z.string().min(1).optional(),
    baseUrl: z.url({ protocol: /^https?$/ }).optional(),
  }),
);

/** @throws RoutesError that names what is wrong, and no key */
export function readRoutesFile(path: string): readonly FileRoute[] {
  const text = readText(path, 'the routes file');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new RoutesError('the routes file is no JSON');
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new RoutesError(
      `the routes file is wrong at ${issue?.path.join('.') || 'its top'}: ${issue?.message ?? ''}`,
    );
  }
  const names = new Set(parsed.data.map(({ name }) => name.toLowerCase()));
  if (names.size < parsed.data.length)
    throw new RoutesError('two routes in the routes file have the same name');
  if (names.has('default'))
    throw new RoutesError('"default" in the routes file is the name of the route that takes the rest');
  return parsed.data.map((route) => {
    const when = Object.entries(route.when ?? {}).map(([key, value]) => [key, String(value)] as const);
    if (when.length === 0) throw new RoutesError(`the route ${route.name} has no condition (when)`);
    return {
      name: route.name,
      when,
      projectId: route.projectId,
      apiKey: readKey(route),
      baseUrl: route.baseUrl,
    };
  });
}

export class RoutesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'RoutesError';
  }
}

function readKey({ name, keyEnv, keyFile }: z.infer<typeof schema>[number]): string | undefined {
  if (keyEnv !== undefined) {
    const key = environmentText(keyEnv);
    if (key === undefined)
      throw new RoutesError(`the key of the route ${name}, ${keyEnv}, is not in the environment`);
    return key;
  }
  if (keyFile === undefined) return undefined;
  const key = readText(keyFile, `the key of the route ${name}`).trim();
  if (key === '') throw new RoutesError(`the key file of the route ${name} is empty`);
  return key;
}

function readText(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new RoutesError(`${what} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`);
  }
}
