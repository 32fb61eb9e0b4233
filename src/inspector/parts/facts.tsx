/** What is known of a record beside its content, as groups of names and values. */
import type { ComponentChildren, VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { JsonValue } from '../../json/json-text.ts';
import { formatCount, formatDuration } from '../../local/summary.ts';
import type { RecordView } from '../../local/view-types.ts';
import { timingOf, toolName, usageOf } from '../model/call-facts.ts';
import { exactTime } from '../model/format.ts';
import { linkTarget } from '../model/safe-url.ts';
import { entriesOf, isObject, listOf, objectOf, textOf } from '../model/values.ts';
import { JsonTree } from './json-tree.tsx';
import { Words } from './text.tsx';

export function Facts({ record }: { record: RecordView }): VNode {
  const { body } = record;
  const call = objectOf(body.call_info);
  const info = objectOf(call.provider_info);
  return (
    <aside class="facts" aria-label="Facts">
      {record.kind === 'completion' && <UsageFacts record={record} />}
      <TimingFacts record={record} />
      <Group title="Parameters" entries={entriesOf(call.llm_parameters)} />
      <Tools tools={listOf(body.tool_schema)} />
      {isObject(body.output_schema) && (
        <Section title="Output schema">
          <Folded label="JSON schema" value={body.output_schema} />
        </Section>
      )}
      <Group title="Prompt" entries={promptEntries(record)} />
      <Group title="Prompt variables" entries={entriesOf(body.inputs)} />
      {isObject(body.media_inputs) && (
        <Section title="Media variables">
          <Folded label="Variables" value={body.media_inputs} />
        </Section>
      )}
      <Group title="Evaluation" entries={entriesOf(body.eval_results)} />
      <Group title="Feedback" entries={entriesOf(record.feedback)} />
      <Group
        title="Metadata"
        entries={[
          ...entriesOf(objectOf(body.session_info).custom_metadata),
          ...entriesOf(body.custom_metadata).filter(([name]) => !/^(otel|error)\./.test(name)),
          ...entriesOf(info.metadata),
        ]}
      />
      <Group title="Response" entries={responseEntries(call.provider, info)} />
      <Ids record={record} />
    </aside>
  );
}

function UsageFacts({ record }: { record: RecordView }): VNode {
  const usage = usageOf(record.body);
  const { prompt, completion, cacheRead, cacheWrite, reasoning } = usage;
  if (prompt === undefined && completion === undefined)
    return (
      <Section title="Usage">
        <p class="muted">Nobody reported token counts.</p>
      </Section>
    );
  const all = (prompt ?? 0) + (completion ?? 0);
  const share = (count: number | undefined): string => `${all === 0 ? 0 : ((count ?? 0) / all) * 100}%`;
  const cached = Math.min(cacheRead ?? 0, prompt ?? 0);
  const thought = Math.min(reasoning ?? 0, completion ?? 0);
  return (
    <Section title="Usage">
      <div class="usage-bar" aria-hidden="true">
        <span class="usage-cached" style={{ width: share(cached) }} />
        <span class="usage-prompt" style={{ width: share((prompt ?? 0) - cached) }} />
        <span class="usage-reasoning" style={{ width: share(thought) }} />
        <span class="usage-completion" style={{ width: share((completion ?? 0) - thought) }} />
      </div>
      <dl class="pairs">
        <Count name="prompt" count={prompt} sign="usage-prompt" />
        <Count name="of it from the cache" count={cacheRead} sign="usage-cached" indent />
        <Count name="of it written to the cache" count={cacheWrite} indent />
        <Count name="completion" count={completion} sign="usage-completion" />
        <Count name="of it reasoning" count={reasoning} sign="usage-reasoning" indent />
      </dl>
    </Section>
  );
}

function Count({
  name,
  count,
  sign,
  indent = false,
}: {
  name: string;
  count: number | undefined;
  sign?: string;
  indent?: boolean;
}): VNode | null {
  if (count === undefined && indent) return null;
  return (
    <div class={indent ? 'indent' : ''}>
      <dt>
        {sign && <span class={`swatch ${sign}`} />}
        {name}
      </dt>
      <dd class="figure">{count === undefined ? 'not reported' : formatCount(count)}</dd>
    </div>
  );
}

function TimingFacts({ record }: { record: RecordView }): VNode | null {
  const { start, durationMillis, firstTokenMillis, tokensPerSecond } = timingOf(record.body);
  const entries: [string, string][] = [];
  if (start !== undefined) entries.push(['start', exactTime(start)]);
  if (durationMillis !== undefined) entries.push(['duration', formatDuration(durationMillis)]);
  if (firstTokenMillis !== undefined) entries.push(['first token after', formatDuration(firstTokenMillis)]);
  if (tokensPerSecond !== undefined) entries.push(['tokens per second', tokensPerSecond.toFixed(1)]);
  return <Group title="Timing" entries={entries} />;
}

function promptEntries({ body }: RecordView): readonly (readonly [string, JsonValue])[] {
  const { prompt_template_version_id: version, ...rest } = objectOf(body.prompt_info);
  return [
    ...(version === undefined ? [] : [['version', version] as const]),
    ...entriesOf(rest),
    ...entriesOf(body.test_run_info).map(([name, value]) => [name.replaceAll('_', ' '), value] as const),
  ];
}

const RESPONSE_NAMES: readonly (readonly [string, string])[] = [
  ['request_model', 'asked for model'],
  ['response_id', 'response id'],
  ['finish_reasons', 'finish reason'],
  ['service_tier', 'service tier'],
  ['server_address', 'server'],
];

/** Shown elsewhere, or above. */
const SHOWN_ELSEWHERE: ReadonlySet<string> = new Set([
  ...RESPONSE_NAMES.map(([name]) => name),
  'time_to_first_token',
  'cache_read_tokens',
  'cache_creation_tokens',
  'reasoning_tokens',
  'choices',
  'error',
  'metadata',
  'otel',
]);

function responseEntries(
  provider: JsonValue | undefined,
  info: ReturnType<typeof objectOf>,
): readonly (readonly [string, JsonValue])[] {
  const known = RESPONSE_NAMES.flatMap(([name, label]) => {
    const value = info[name];
    if (value === undefined || value === null) return [];
    return [[label, Array.isArray(value) ? value.join(', ') : value] as const];
  });
  return [
    ...(provider === undefined || provider === null ? [] : [['provider', provider] as const]),
    ...known,
    ...entriesOf(info).filter(([name]) => !SHOWN_ELSEWHERE.has(name)),
  ];
}

function Tools({ tools }: { tools: readonly JsonValue[] }): VNode | null {
  if (tools.length === 0) return null;
  return (
    <Section title={`Tools offered (${tools.length})`}>
      {tools.map((tool, index) => (
        <Tool key={index} tool={tool} />
      ))}
    </Section>
  );
}

function Tool({ tool }: { tool: JsonValue }): VNode {
  const [open, setOpen] = useState(false);
  const named = objectOf(objectOf(tool).function ?? tool);
  const description = textOf(named.description);
  return (
    <details class="folded" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="mono">
          <Words text={toolName(tool)} />
        </span>
        {description !== undefined && (
          <span class="muted clip">
            {' '}
            <Words text={description.slice(0, 200)} />
          </span>
        )}
      </summary>
      {open && <JsonTree value={named as JsonValue} />}
    </details>
  );
}

function Ids({ record }: { record: RecordView }): VNode {
  const otel = objectOf(objectOf(objectOf(record.body.call_info).provider_info).otel);
  const metadata = objectOf(record.body.custom_metadata);
  const url = textOf(otel.url ?? metadata['otel.url']);
  const target = url === undefined ? undefined : linkTarget(url);
  const scope = objectOf(otel.scope);
  const entries: (readonly [string, JsonValue])[] = [
    [record.kind === 'completion' ? 'completion' : 'record', record.id],
    ['session', record.session],
    ...(record.trace === undefined ? [] : [['trace', record.trace] as const]),
    ...(record.otelTraceId === undefined ? [] : [['telemetry trace', record.otelTraceId] as const]),
  ];
  const span = textOf(otel.span_id ?? metadata['otel.span_id']);
  if (span !== undefined) entries.push(['telemetry span', span]);
  const name = textOf(scope.name);
  if (name !== undefined)
    entries.push(['instrumentation', [name, textOf(scope.version)].filter(Boolean).join(' ')]);
  entries.push(['project', record.project], ['received', exactTime(record.receivedAt)]);
  return (
    <Group title="Identifiers" entries={entries}>
      {target !== undefined && (
        <p>
          <a href={target} target="_blank" rel="noopener noreferrer nofollow" class="out-link">
            Open in the tracing dashboard
          </a>
        </p>
      )}
    </Group>
  );
}

interface GroupProps {
  readonly title: string;
  readonly entries: readonly (readonly [string, JsonValue])[];
  readonly children?: ComponentChildren;
}

/** Nothing to say: nothing shown. */
export function Group({ title, entries, children }: GroupProps): VNode | null {
  if (entries.length === 0) return null;
  return (
    <Section title={title}>
      <Pairs entries={entries} />
      {children}
    </Section>
  );
}

export function Section({ title, children }: { title: string; children: ComponentChildren }): VNode {
  return (
    <section class="fact-group">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

const LONG_VALUE = 160;
/** Shorter JSON is shown in the line. */
const BRIEF_JSON = 32;

export function Pairs({ entries }: { entries: readonly (readonly [string, JsonValue])[] }): VNode {
  return (
    <dl class="pairs">
      {entries.map(([name, value], index) => (
        <div key={`${name} ${index}`} class={isWide(value) ? 'wide' : ''}>
          <dt>
            <Words text={name} />
          </dt>
          <dd
            class={
              typeof value === 'number' ? 'figure' : typeof value === 'string' && ID.test(value) ? 'id' : ''
            }
          >
            <FactValue name={name} value={value} />
          </dd>
        </div>
      ))}
    </dl>
  );
}

function isWide(value: JsonValue): boolean {
  if (typeof value === 'object' && value !== null) return JSON.stringify(value).length > BRIEF_JSON;
  return typeof value === 'string' && value.length > 44;
}

/** What is compared letter by letter rather than read. */
const ID = /^[0-9a-f]{16,32}$|^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function FactValue({ name, value }: { name: string; value: JsonValue }): VNode {
  const [all, setAll] = useState(false);
  if (typeof value === 'object' && value !== null) {
    const brief = JSON.stringify(value);
    if (brief.length > BRIEF_JSON) return <Folded label={name} value={value} />;
    return (
      <span class="mono">
        <Words text={brief} />
      </span>
    );
  }
  const text = String(value);
  if (text.length <= LONG_VALUE || all) return <Words text={text} />;
  return (
    <>
      <Words text={`${text.slice(0, LONG_VALUE)}…`} />
      <button type="button" class="show-more" onClick={() => setAll(true)}>
        Show all
      </button>
    </>
  );
}

export function Folded({ label, value }: { label: string; value: JsonValue }): VNode {
  const [open, setOpen] = useState(false);
  const brief = JSON.stringify(value)?.slice(0, 120) ?? '';
  return (
    <details class="folded" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span class="mono clip">{open ? label : <Words text={brief} />}</span>
      </summary>
      {open && <JsonTree value={value} />}
    </details>
  );
}
