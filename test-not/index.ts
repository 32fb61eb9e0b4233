export type {
  CallError,
  EvalResults,
  Media,
  Message,
  Note,
  Operation,
  Part,
  Reading,
  Role,
  Scalar,
  Surroundings,
  ToolCall,
  ToolDefinition,
  Usage,
} from './completion/completion.ts';
export type { DropReason, FreeplayOptions } from './config.ts';
export {
  type FreeplayContext,
  type FreeplayContextHandle,
  type RecordedCompletion,
  withFreeplayContext,
} from './context/freeplay-context.ts';
export { type ConvertOptions, convertSpans } from './convert-spans.ts';
export type { Dialect } from './dialects/dialect.ts';
export { FreeplayOptionError } from './errors.ts';
export type { Ledger } from './exporter/ledger.ts';
export type { FreeplayLogRecordProcessor } from './exporter/log-record-processor.ts';
export { type ExportResult, FreeplaySpanExporter } from './exporter/span-exporter.ts';
export { FreeplaySpanProcessor } from './processor/span-processor.ts';
export { completionIdOf, sessionIdOf, traceIdOf } from './record/ids.ts';
export type { Mask } from './record/mask.ts';
export type { FreeplayRecord, Receipt, RecordBody } from './record/record.ts';
export type { SdkLogRecord, SdkSpan } from './span/from-sdk.ts';
export type { Attributes, HrTime, LogData, Scope, SpanData, SpanEvent } from './span/span-data.ts';
