/** The official SDK: one `recordings.create` for each model call. What an app has in hand when it calls that is made beforehand. */
import * as sdk from 'freeplay';
import { isModelCall, PROJECT_ID } from '../traffic.mjs';
import { batched, oneByOne } from './contender.mjs';

/** The package is CommonJS behind its ES module. */
const Freeplay = sdk.default?.default ?? sdk.default;

/** @param {import('./contender.mjs').Options} options */
export async function create({ url, package: packageUrl, inFlight }) {
  const { convertSpans } = await import(packageUrl);
  const client = new Freeplay({ freeplayApiKey: 'bench-key', baseUrl: `${url}/api` });
  /** @type {object[]} */
  let payloads = [];
  let next = 0;
  const exporter = oneByOne(isModelCall, inFlight, (_, done) => {
    client.recordings.create(payloads[next++ % payloads.length]).then(() => done(), done);
  });
  return {
    ...batched(exporter),
    prepare(/** @type {import('../traffic.mjs').Span[]} */ spans) {
      payloads = convertSpans(spans, { projectId: PROJECT_ID, records: 'completions' }).map(toPayload);
    },
  };
}

/** @param {{ sessionId: string, body: any }} record */
function toPayload({ sessionId, body }) {
  const { call_info: call } = body;
  return {
    completionId: body.completion_id,
    allMessages: body.messages,
    inputs: {},
    toolSchema: body.tool_schema,
    sessionInfo: { sessionId, customMetadata: body.session_info.custom_metadata },
    traceInfo: { traceId: body.trace_info.trace_id },
    promptInfo: { projectId: PROJECT_ID, environment: 'latest', promptTemplateVersionId: PROJECT_ID },
    callInfo: {
      startTime: new Date(call.start_time * 1_000),
      endTime: new Date(call.end_time * 1_000),
      model: call.model,
      provider: call.provider,
      providerInfo: call.provider_info,
      modelParameters: call.llm_parameters,
      usage: { promptTokens: call.usage.prompt_tokens, completionTokens: call.usage.completion_tokens },
    },
    responseInfo: { isComplete: true },
  };
}
