/** Tool definitions of any provider or framework → one shape. */
import type { ToolDefinition } from '../completion/completion.ts';
import {
  asArray,
  asObject,
  asText,
  isObject,
  isText,
  type LazyJson,
  member,
  textMember,
} from '../json/json-text.ts';
import { jsonValue } from '../json/read-json.ts';

const MAX_TOOLS = 2000;
const SCHEMA_KEYS = [
  'parameters',
  'inputSchema',
  'input_schema',
  'parametersJsonSchema',
  'parameters_json_schema',
  'jsonSchema',
  'schema',
  'arguments',
] as const;

/**
 * Any list of tools: OpenAI (nested and flat), Anthropic, Gemini declarations, Bedrock toolSpec, AI SDK, Genkit, MCP, JSON in
 * strings, bare names.
 */
export function readTools(value: unknown): readonly ToolDefinition[] | undefined {
  const found: ToolDefinition[] = [];
  collect(jsonValue(value), found, 0);
  return found.length > 0 ? found : undefined;
}

function collect(value: unknown, found: ToolDefinition[], depth: number): void {
  if (depth > 4 || found.length >= MAX_TOOLS) return;
  const list = asArray(value);
  if (list) {
    for (const item of list) collect(isText(item) ? stringTool(asText(item) ?? '') : item, found, depth + 1);
    return;
  }
  const tool = asObject(value);
  if (!tool) return;
  const declarations = member(tool, 'functionDeclarations', 'function_declarations', 'tools');
  if (declarations !== undefined && textMember(tool, 'name') === undefined)
    return collect(declarations, found, depth + 1);
  const inner = asObject(member(tool, 'function', 'toolSpec', 'tool_spec')) ?? tool;
  const name = textMember(inner, 'name', 'toolName') ?? textMember(tool, 'name');
  if (name !== undefined) {
    const description = member(inner, 'description');
    const strict = member(inner, 'strict') ?? member(tool, 'strict');
    found.push({
      name,
      description: isText(description) && asText(description) !== '' ? description : undefined,
      parameters: readSchema(inner),
      strict: typeof strict === 'boolean' ? strict : undefined,
    });
    return;
  }
  const type = textMember(tool, 'type');
  // A prefix of "function" is one whose definition was cut.
  if (type !== undefined && !'function'.startsWith(type)) {
    found.push({ name: type }); // hosted by the provider: it has no schema
    return;
  }
  // AI SDK tool maps: {get_weather: {description, inputSchema}}
  const entries = Object.entries(tool);
  if (
    entries.length > 0 &&
    entries.every(
      ([, entry]) => isObject(entry) && member(entry, 'description', ...SCHEMA_KEYS) !== undefined,
    )
  ) {
    for (const [key, entry] of entries) collect({ ...(entry as object), name: key }, found, depth + 1);
  }
}

function stringTool(item: string): unknown {
  const parsed = jsonValue(item);
  return typeof parsed === 'string' ? { name: parsed } : parsed;
}

/** The JSON schema of the arguments; `$schema` only names the draft and is dropped. */
function readSchema(tool: { readonly [key: string]: unknown }): LazyJson | undefined {
  for (const key of SCHEMA_KEYS) {
    const schema = schemaValue(member(tool, key));
    if (schema !== undefined) return schema;
  }
  return undefined;
}

/** A JSON schema given as an object, as JSON text, or wrapped (`{json: …}`, `{jsonSchema: …}`). */
export function schemaValue(raw: unknown): LazyJson | undefined {
  const object = asObject(isText(raw) ? jsonValue(raw) : raw);
  if (!object) return undefined;
  const wrapped = asObject(member(object, 'json')) ?? asObject(member(object, 'jsonSchema'));
  if (wrapped && Object.keys(object).length <= 2) return schemaValue(wrapped);
  if (!Object.hasOwn(object, '$schema')) return object as LazyJson;
  const { $schema: _draft, ...rest } = object;
  return rest as LazyJson;
}
