import type { CallError } from '../completion/completion.ts';
import { getAttribute, getId, getString, toBoolean } from '../span/attributes.ts';
import type { SpanData } from '../span/span-data.ts';

const ERROR_STATUS = 2;

/** What went wrong, from status, exception event and attributes; `undefined` for a span that did not fail. */
export function readError(span: SpanData): CallError | undefined {
  const { attributes } = span;
  const exception = span.events.findLast(
    (event) => event.name === 'exception' || event.name === 'gen_ai.client.operation.exception',
  );
  const type = getId(attributes, 'error.type');
  const level = getString(attributes, 'langfuse.observation.level', 'level');
  const failed =
    span.statusCode === ERROR_STATUS ||
    type !== undefined ||
    level === 'ERROR' ||
    getString(attributes, 'genkit:state') === 'error' ||
    toBoolean(getAttribute(attributes, 'success')) === false ||
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
