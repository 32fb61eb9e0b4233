import type { Operation, Reading } from '../completion/completion.ts';
import { readGenAiSpan } from '../readers/genai-span.ts';
import { getString, hasAttribute } from '../span/attributes.ts';
import type { SpanData } from '../span/span-data.ts';
import type { Dialect } from './dialect.ts';

/**
 * The Model Context Protocol's conventions: of all methods only `tools/call` is a step of its own. Client, transport and server report it
 * one inside the other; the lineage makes one of them.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/gen-ai/mcp/
 */
export const mcp: Dialect = {
  name: 'mcp',
  detect: (span) => hasAttribute(span.attributes, 'mcp.method.name'),
  operationOf,
  read(span, logs): Reading {
    const operation = operationOf(span);
    if (operation === 'other') return { operation };
    const base = readGenAiSpan(span, logs, { dialect: mcp.name, operation, content: { notes: [] } });
    return { ...base, name: base.name ?? span.name.replace(/^.*tools\/call\s+/, '') };
  },
};

function operationOf({ attributes }: SpanData): Operation {
  if (getString(attributes, 'mcp.method.name') !== 'tools/call') return 'other';
  // FastMCP's server hands the call on to one mounted in it, which reports it.
  const isHandedOn =
    hasAttribute(attributes, 'fastmcp.provider.type') && !hasAttribute(attributes, 'gen_ai.tool.name');
  return isHandedOn ? 'other' : 'tool';
}
