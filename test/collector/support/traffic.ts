/** Spans of an app under the conventions, made by the real SDK and sent by its real exporters, and the records that they stand for. */
import { randomBytes } from 'node:crypto';
import { type Context, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api';
import type { ExportResult } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BasicTracerProvider, type ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { completionIdOf, convertSpans, type FreeplayRecord } from '../../../src/index.ts';
import { PROJECT } from './gateway.ts';

export interface App {
  /** Ended spans of one trace: a request, an agent, two model calls, the tool between them, a query to a database. */
  makeTrace(): readonly ReadableSpan[];
  /** Of a trace without any model call. */
  makePlainTrace(): readonly ReadableSpan[];
}

export function createApp(words: number = 20): App {
  const ended: ReadableSpan[] = [];
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': 'travel' }),
    spanLimits: { attributeValueLengthLimit: Number.POSITIVE_INFINITY },
    spanProcessors: [
      {
        onStart: () => {},
        onEnd: (span) => void ended.push(span),
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      },
    ],
  });
  const tracer = provider.getTracer('travel', '1.2.3');
  let time = Date.now();

  /** Spans in a row: each takes a few milliseconds of a clock of its own. */
  function inSpan(
    context: Context,
    name: string,
    attributes: Record<string, string | number | string[]>,
    run: (context: Context) => void = () => {},
    kind: SpanKind = SpanKind.INTERNAL,
  ): void {
    const span = tracer.startSpan(name, { attributes, kind, startTime: time++ }, context);
    run(trace.setSpan(context, span));
    span.end(time++);
  }

  function call(context: Context, input: readonly object[], output: object, finish: string): void {
    const attributes = {
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
      'gen_ai.request.model': 'gpt-4o-mini',
      'gen_ai.response.model': 'gpt-4o-mini-2024-07-18',
      'gen_ai.response.id': `chatcmpl-${randomBytes(12).toString('hex')}`,
      'gen_ai.response.finish_reasons': [finish],
      'gen_ai.request.temperature': 0.25,
      'gen_ai.usage.input_tokens': 400,
      'gen_ai.usage.output_tokens': 20,
      'gen_ai.input.messages': JSON.stringify(input),
      'gen_ai.output.messages': JSON.stringify([{ role: 'assistant', finish_reason: finish, ...output }]),
    };
    inSpan(context, 'chat gpt-4o-mini', attributes, undefined, SpanKind.CLIENT);
  }

  function makeTrace(): readonly ReadableSpan[] {
    const number = randomBytes(6).toString('hex');
    const question = {
      role: 'user',
      parts: [text(`Weather in Łódź today? ${number} ${'word '.repeat(words)}`)],
    };
    const asked = { type: 'tool_call', id: `call_${number}`, name: 'weather', arguments: { city: 'Łódź' } };
    inSpan(ROOT_CONTEXT, 'POST /chat', { 'http.request.method': 'POST' }, (request) => {
      const agent = { 'gen_ai.operation.name': 'invoke_agent', 'gen_ai.agent.name': 'helper' };
      const conversation = { 'gen_ai.conversation.id': `conversation-${number}` };
      inSpan(request, 'invoke_agent helper', { ...agent, ...conversation }, (inside) => {
        call(inside, [question], { parts: [asked] }, 'tool_calls');
        const tool = { 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'weather' };
        const result = { 'gen_ai.tool.call.id': `call_${number}`, 'gen_ai.tool.call.result': '"21 °C"' };
        inSpan(inside, 'execute_tool weather', { ...tool, ...result }, (inTool) => {
          inSpan(inTool, 'SELECT weather', { 'db.system.name': 'postgresql' });
        });
        const answer = {
          role: 'tool',
          parts: [{ type: 'tool_call_response', id: asked.id, response: '21 °C' }],
        };
        const history = [question, { role: 'assistant', parts: [asked] }, answer];
        call(inside, history, { parts: [text(`It is 21 °C 🌤 ${number}`)] }, 'stop');
      });
    });
    return ended.splice(0);
  }

  function makePlainTrace(): readonly ReadableSpan[] {
    inSpan(ROOT_CONTEXT, 'GET /health', { 'http.request.method': 'GET' }, (request) => {
      inSpan(request, 'SELECT 1', { 'db.system.name': 'postgresql' });
    });
    return ended.splice(0);
  }

  return { makeTrace, makePlainTrace };
}

function text(content: string): object {
  return { type: 'text', content };
}

/** What whole traces stand for. */
export function recordsOf(spans: readonly ReadableSpan[]): FreeplayRecord[] {
  return convertSpans(spans, { projectId: PROJECT });
}

export function completionIdsOf(spans: readonly ReadableSpan[]): string[] {
  return recordsOf(spans)
    .filter(({ kind }) => kind === 'completion')
    .map(({ id }) => id);
}

/** The same for spans of `App`, without converting them. */
export function callIdsOf(spans: readonly ReadableSpan[]): string[] {
  return spans
    .filter(({ attributes }) => attributes['gen_ai.operation.name'] === 'chat')
    .map((span) => completionIdOf(span.spanContext()));
}

export interface SpanSender {
  /** One request, repeated as the exporter does; rejects when it gives up. */
  send(spans: readonly ReadableSpan[]): Promise<void>;
  close(): Promise<void>;
}

export function createSpanSender(url: string): SpanSender {
  const exporter = new OTLPTraceExporter({
    url: `${url}/v1/traces`,
    timeoutMillis: 60_000,
    concurrencyLimit: 1_000,
  });
  return {
    send: (spans) =>
      new Promise((resolve, reject) => {
        exporter.export([...spans], ({ code, error }: ExportResult) => {
          if (code === 0) resolve();
          else reject(error ?? new Error('not exported'));
        });
      }),
    close: () => exporter.shutdown(),
  };
}
