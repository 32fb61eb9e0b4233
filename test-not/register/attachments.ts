/**
 * One `FreeplaySpanProcessor` for all providers, so that a trace that runs through two of them stays one. Each provider has an attachment
 * of its own: the processor is shut down with the last of them, not with the first.
 */
import type { Context } from '@opentelemetry/api';
import { FreeplaySpanProcessor } from '../processor/span-processor.ts';
import type { SdkSpan } from '../span/from-sdk.ts';

/** Shared by all copies of this package in the process. */
export const ATTACHMENT: unique symbol = Symbol.for('opentelemetry-exporter-freeplay.attachment');

export interface Attachment {
  readonly [ATTACHMENT]: true;
  onStart(span: SdkSpan, parentContext?: Context): void;
  onEnding(span: SdkSpan): void;
  onEnd(span: SdkSpan): void;
  forceFlush(): Promise<void>;
  shutdown(): Promise<void>;
}

export interface Attachments {
  create(): Attachment;
  /** The processor behind the attachments; `undefined` while there are none. */
  processor(): FreeplaySpanProcessor | undefined;
}

export function createAttachments(): Attachments {
  let shared: FreeplaySpanProcessor | undefined;
  let users = 0;

  function release(processor: FreeplaySpanProcessor): Promise<void> {
    users -= 1;
    if (users > 0) return processor.forceFlush();
    shared = undefined;
    return processor.shutdown();
  }

  return {
    create() {
      shared ??= new FreeplaySpanProcessor();
      users += 1;
      const processor = shared;
      let released: Promise<void> | undefined;
      const isOn = (): boolean => released === undefined;
      return {
        [ATTACHMENT]: true,
        onStart: (span, parentContext) => {
          if (isOn()) processor.onStart(span, parentContext);
        },
        onEnding: (span) => {
          if (isOn()) processor.onEnding(span);
        },
        onEnd: (span) => {
          if (isOn()) processor.onEnd(span);
        },
        forceFlush: () => released ?? processor.forceFlush(),
        shutdown: () => {
          released ??= release(processor);
          return released;
        },
      };
    },
    processor: () => shared,
  };
}
