/** The facts of each call that the telemetry holds must be in its completion. */
import type { FreeplayRecord } from '../../../src/index.ts';
import type { Scenario } from './corpus.ts';
import { canonical, Evidence, parsed, READ, squash, WRITTEN } from './evidence.ts';
import { spanUuid } from './ids.ts';
import { bodyOf, lastMessage, type Matched, textOf } from './match.ts';
import type { Json, ServedCall } from './truth.ts';

/** What is missing or wrong, in words; empty: nothing. */
export function judgeFacts(
  scenario: Scenario,
  calls: readonly ServedCall[],
  matched: Matched,
): readonly string[] {
  const faults: string[] = [];
  const anywhere = evidenceOf(scenario);
  const traces = new Set([...matched.pairs.values()].map(traceOf));
  // A model that is a plain function leaves no request: nothing to count its completions by.
  for (const record of scenario.truth.mocks?.length ? [] : matched.extra)
    if (traces.size === 0 || traces.has(traceOf(record)))
      faults.push(`a completion that no call is left for: ${nameOf(scenario, record)}`);
  for (const call of calls) {
    const record = matched.pairs.get(call);
    if (record) faults.push(...judgeCall(scenario, call, record, anywhere));
    else if (!matched.tries.has(call) && isReported(call, anywhere))
      faults.push(`call ${call.n}: no completion, yet the telemetry reports it`);
  }
  return faults;
}

function traceOf(record: FreeplayRecord): string {
  return bodyOf(record).trace_info.trace_id;
}

function nameOf(scenario: Scenario, record: FreeplayRecord): string {
  const span = scenario.spans.find((one) => spanUuid(one.traceId, one.spanId) === record.id);
  return `${span?.name} [${span?.scope?.name}]`;
}

function evidenceOf(scenario: Scenario, spanIds?: readonly string[]): Evidence {
  const evidence = new Evidence();
  const spans = scenario.spans.filter(({ spanId }) => spanIds?.includes(spanId) ?? true);
  for (const span of spans) evidence.addSpan(span);
  // Claude Code's events name the request that they tell of.
  const requests = new Set(spans.map(({ attributes }) => attributes.request_id));
  requests.delete(undefined);
  for (const log of scenario.logs)
    if ((spanIds?.includes(log.spanId ?? '') ?? true) || requests.has(log.attributes?.request_id))
      evidence.addLog(log);
  return evidence;
}

/** Some span or log speaks of this call and could speak of no other: its response id or its reply is there. */
function isReported(call: ServedCall, anywhere: Evidence): boolean {
  return call.responseId !== undefined && anywhere.hasExact(call.responseId);
}

function judgeCall(
  scenario: Scenario,
  call: ServedCall,
  record: FreeplayRecord,
  anywhere: Evidence,
): string[] {
  const faults: string[] = [];
  const fail = (text: string): void => {
    faults.push(`call ${call.n} (${nameOf(scenario, record)}): ${text}`);
  };
  const visible = scenario.truth.visibleInTelemetry?.find((one) => one.n === call.n);
  const own = evidenceOf(scenario, record.receipt.spanIds);
  const body = bodyOf(record);
  const info = body.call_info;
  const reply = lastMessage(record);

  if (call.failed) {
    if (saysFailed(scenario, record)) judgeFailure(call, record, own, fail);
  } else {
    if (reply.role !== 'assistant') fail(`ends with a ${reply.role} message`);
    const said = visible?.answerText ?? anywhere.hasText(call.replyText);
    if (said && call.replyText !== '' && own.hasText(call.replyText) && !call.broken) {
      const got = squash(textOf(reply));
      const calls = (reply.tool_calls ?? []).map((one: Json) => squash(one.function.arguments)).join();
      const same =
        got === squash(call.replyText) || canonical(parsed(got)) === canonical(parsed(call.replyText));
      if (!same && !calls.includes(squash(call.replyText))) fail(`reply ${JSON.stringify(textOf(reply))}`);
    }
    if (!call.broken) judgeToolCalls(call, reply, own, fail);
  }

  const asked = visible?.prompt ?? call.userTexts.every((text) => anywhere.hasText(text));
  if (asked && call.userTexts.length > 0 && call.userTexts.every((text) => own.hasText(text))) {
    const users = body.messages.filter((one: Json) => one.role === 'user').map(textOf);
    const last = squash(users.join('\n'));
    for (const text of call.userTexts)
      if (!last.includes(squash(text))) fail(`the last user text is missing: ${JSON.stringify(text)}`);
  }

  judgeUsage(call, info, own, fail);
  if (call.responseId !== undefined && own.hasExact(call.responseId))
    if (info.provider_info.response_id !== call.responseId)
      fail(`response id ${info.provider_info.response_id}`);
  judgeModel(call, info, own, fail);
  return faults;
}

/** Two emitters end the span of a failed call as if nothing had happened. */
function saysFailed(scenario: Scenario, record: FreeplayRecord): boolean {
  return scenario.spans.some(
    (span) =>
      record.receipt.spanIds.includes(span.spanId) &&
      (span.status?.code === 2 ||
        span.attributes['error.type'] !== undefined ||
        span.events.some((event) => event.name === 'exception')),
  );
}

function judgeFailure(
  call: ServedCall,
  record: FreeplayRecord,
  own: Evidence,
  fail: (text: string) => void,
): void {
  const error = bodyOf(record).call_info.provider_info.error;
  if (!error) return fail('a failed call without provider_info.error');
  if (lastMessage(record).role === 'assistant' && lastMessage(record).content !== null)
    fail('a failed call with a reply');
  if (call.errorMessage !== undefined && own.hasText(call.errorMessage))
    if (!squash(String(error.message)).includes(squash(call.errorMessage))) fail(`error ${error.message}`);
}

function judgeToolCalls(call: ServedCall, reply: Json, own: Evidence, fail: (text: string) => void): void {
  // Structured output by a forced tool: the object as text is as right as the call.
  const spoken = canonical(parsed(textOf(reply)));
  if (call.toolCalls.length === 1 && canonical(call.toolCalls[0]?.args) === spoken) return;
  const got: Json[] = [...(reply.tool_calls ?? [])];
  const argsSeen = call.toolCalls.every((one) => own.hasObject(one.args) && own.hasText(one.name));
  if (call.toolCalls.length > 0 && argsSeen) {
    for (const wanted of call.toolCalls) {
      const at = got.findIndex(
        (one) =>
          one.function.name === wanted.name &&
          canonical(parsed(one.function.arguments)) === canonical(wanted.args),
      );
      const found = got[at];
      if (!found) fail(`tool call ${wanted.name}(${JSON.stringify(wanted.args)}) is missing`);
      else {
        got.splice(at, 1);
        if (wanted.id !== undefined && own.hasExact(wanted.id) && found.id !== wanted.id)
          fail(`tool call id ${found.id}, expected ${wanted.id}`);
      }
    }
  }
  for (const one of got)
    if (!call.toolCalls.some((wanted) => wanted.name === one.function.name))
      fail(`a tool call that was never made: ${one.function.name}`);
}

function judgeUsage(call: ServedCall, info: Json, own: Evidence, fail: (text: string) => void): void {
  if (!own.hasAnyCount()) {
    if (info.usage !== undefined) fail(`usage ${JSON.stringify(info.usage)} though nothing was reported`);
    return;
  }
  if (!call.usage) return;
  const { prompt, completion } = call.usage;
  if (own.hasCount(prompt, READ) && info.usage?.prompt_tokens !== prompt)
    fail(`prompt tokens ${info.usage?.prompt_tokens}, expected ${prompt}`);
  if (own.hasCount(completion, WRITTEN) && info.usage?.completion_tokens !== completion)
    fail(`completion tokens ${info.usage?.completion_tokens}, expected ${completion}`);
}

/** The model that answered where it is named, else the one that was asked. */
function judgeModel(call: ServedCall, info: Json, own: Evidence, fail: (text: string) => void): void {
  const { requestModel, responseModel } = call;
  if (responseModel !== undefined && own.hasExact(responseModel)) {
    if (!sameModel(info.model, responseModel)) fail(`model ${info.model}, expected ${responseModel}`);
  } else if (requestModel !== undefined && own.hasExact(requestModel)) {
    if (!sameModel(info.model, requestModel)) fail(`model ${info.model}, expected ${requestModel}`);
  }
}

/** Equal up to a vendor's prefix and a provider's revision: `anthropic.claude-3-5-sonnet-20241022-v2:0`. */
function sameModel(a: string | undefined, b: string): boolean {
  const bare = (model: string): string => model.replace(/^.*[./](?=[a-z])/, '').replace(/(-v\d+)?:\d+$/, '');
  return a !== undefined && bare(a) === bare(b);
}
