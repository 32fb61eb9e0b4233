import type { CallError } from '../completion/completion.ts';
import { getId, getString, pickString, toBoolean } from '../span/attributes.ts';
import { presentKeys } from '../span/shape.ts';
import type { SpanData, SpanEvent } from '../span/span-data.ts';

const ERROR_STATUS = 2;

function exceptionOf(span: SpanData): SpanEvent | undefined {
  return span.events.findLast(
    (event) => event.name === 'exception' || event.name === 'gen_ai.client.operation.exception',
  );
}

/** The recorded exception, whatever the status says: for emitters that call every span a success. */
export function readException(span: SpanData): CallError | undefined {
  const exception = exceptionOf(span);
  return (
    exception && {
      type: getString(exception.attributes, 'exception.type'),
      message: getString(exception.attributes, 'exception.message'),
      stack: getString(exception.attributes, 'exception.stacktrace'),
    }
  );
}

const SIGNS = ['error.type', 'langfuse.observation.level', 'level', 'genkit:state', 'success'] as const;
const LEVELS = ['langfuse.observation.level', 'level'] as const;

/** What went wrong, from status, exception event and attributes; `undefined` for a span that did not fail. */
export function readError(span: SpanData): CallError | undefined {
  const { attributes } = span;
  const signs = presentKeys(attributes, SIGNS);
  if (span.statusCode !== ERROR_STATUS && span.events.length === 0 && signs.length === 0) return undefined;
  const exception = exceptionOf(span);
  const type = getId(attributes, 'error.type');
  const level = pickString(attributes, LEVELS);
  const failed =
    span.statusCode === ERROR_STATUS ||
    type !== undefined ||
    level === 'ERROR' ||
    getString(attributes, 'genkit:state') === 'error' ||
    toBoolean(signs.includes('success') ? attributes.success : undefined) === false ||
    // An exception that the emitter recorded on a span it then called a success was handled inside.
    (exception !== undefined && span.statusCode !== 1);
  if (!failed) return undefined;
  const message =
    (exception && getString(exception.attributes, 'exception.message')) ??
    span.statusMessage ??
    getString(attributes, 'error.message', 'langfuse.observation.status_message', 'error', 'genkit:error');
  return {
    type:
      (exception && getString(exception.attributes, 'exception.type')) ??
      type ??
      getId(attributes, 'status_code', 'http.response.status_code'),
    message,
    stack: exception && getString(exception.attributes, 'exception.stacktrace'),
  };
}
