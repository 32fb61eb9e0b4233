import { fromSdkLogRecord, type SdkLogRecord } from '../span/from-sdk.ts';
import type { LogData } from '../span/span-data.ts';
import type { LogBuffer } from './log-buffer.ts';

/**
 * What a `LoggerProvider` of any SDK major takes as a log record processor. Only GenAI events are looked at; nothing is exported from
 * here, and no log record is changed.
 */
export interface FreeplayLogRecordProcessor {
  onEmit(logRecord: SdkLogRecord, context?: unknown): void;
  /** Tells the SDK which logs are wanted, so that no other log is made for us. */
  enabled(options: {
    readonly instrumentationScope?: { readonly name?: string };
    readonly eventName?: string | undefined;
  }): boolean;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

/** Scopes that put GenAI content into log events. */
export const SCOPES: RegExp =
  /^(@opentelemetry\/instrumentation-openai|@elastic\/opentelemetry-instrumentation-openai|opentelemetry\.instrumentation\.|opentelemetry\.util\.genai|pydantic-ai|gcp\.vertex\.agent|agent_framework|strands|com\.anthropic\.claude_code\.|openinference\.|io\.opentelemetry\.(openai-java|aws-sdk))/;

/** An event that tells of a call; those of Claude Code are named without a prefix. */
export function isContentEvent({ eventName, scope }: LogData): boolean {
  return (
    eventName.startsWith('gen_ai.') ||
    (scope.name === 'com.anthropic.claude_code.events' && CLAUDE_CODE_EVENTS.has(eventName))
  );
}

const CLAUDE_CODE_EVENTS: ReadonlySet<string> = new Set([
  'assistant_response',
  'api_request',
  'api_error',
  'tool_decision',
  'tool_result',
]);

export function createLogRecordProcessor(
  buffer: LogBuffer,
  onFailure: () => void,
): FreeplayLogRecordProcessor {
  return {
    onEmit(logRecord) {
      try {
        const data = fromSdkLogRecord(logRecord);
        if (data && isContentEvent(data)) buffer.add(data);
      } catch {
        onFailure(); // a throw here would reach the code that logs
      }
    },
    enabled: ({ instrumentationScope, eventName }) =>
      eventName === undefined
        ? SCOPES.test(instrumentationScope?.name ?? '')
        : eventName.startsWith('gen_ai.'),
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  };
}
