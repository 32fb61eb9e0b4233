import type { Reading } from '../completion/completion.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasAttribute } from '../span/attributes.ts';
import type { Dialect } from './dialect.ts';

/**
 * The Model Context Protocol's conventions: of all methods only `tools/call` is a step of its own.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/
 */
export const mcp: Dialect = {
  name: 'mcp',
  detect: (span) => hasAttribute(span.attributes, 'mcp.method.name'),
  read(span, logs): Reading {
    if (getString(span.attributes, 'mcp.method.name') !== 'tools/call') return { operation: 'other' };
    const base = readGenAiSpan(span, logs, { dialect: mcp.name, operation: 'tool', content: { notes: [] } });
    return { ...base, name: base.name ?? span.name.replace(/^tools\/call\s+/, '') };
  },
};
