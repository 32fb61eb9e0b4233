/** One record: a completion as a conversation, or a step with its input and output. */
import type { VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import type { JsonValue } from '../../json/json-text.ts';
import type { TraceView as Trace, TraceNodeRow, RecordView as View } from '../../local/view-types.ts';
import { pickedForCompare, pickForCompare, usePicked } from '../data/compare-pick.ts';
import { adjust, go, usePlace } from '../data/place.ts';
import { useView } from '../data/view.ts';
import { timingOf, usageOf } from '../model/call-facts.ts';
import { toConversation } from '../model/conversation.ts';
import { toCurl } from '../model/curl.ts';
import { toOpenAiRequest } from '../model/openai-request.ts';
import { listOf, objectOf, parseJson, textOf } from '../model/values.ts';
import { ValueContent } from '../parts/content.tsx';
import { copyText, saveFile } from '../parts/copy.ts';
import { type Crumb, Crumbs } from '../parts/crumbs.tsx';
import { Facts } from '../parts/facts.tsx';
import { Ago, Duration, Failed, KindIcon, kindWord, Tokens } from '../parts/figures.tsx';
import { Icon } from '../parts/icons.tsx';
import { Menu, type MenuItem } from '../parts/menu.tsx';
import { ConversationView } from '../parts/message.tsx';
import { Problem, Waiting } from '../parts/notice.tsx';
import { PostedView } from '../parts/posted.tsx';
import { ReceiptView } from '../parts/receipt.tsx';
import { SpansView } from '../parts/spans.tsx';
import { Tabs } from '../parts/tabs.tsx';
import { LongText, Words } from '../parts/text.tsx';
import { hrefOf, Waterfall } from '../parts/waterfall.tsx';
import { changes } from './session.tsx';

export function RecordPage({ kind, id }: { kind: View['kind']; id: string }): VNode {
  const asked = id.toLowerCase();
  const path = kind === 'completion' ? `completions/${asked}` : `records/${asked}`;
  const { data: record, error } = useView<View>(path, changes('records', asked));
  const { data: trace } = useView<Trace>(
    record?.trace && `traces/${record.trace}`,
    changes('traces', record?.trace),
  );
  if (error && !record)
    return <Problem error={error} what={kind === 'completion' ? 'completion' : 'record'} />;
  if (!record) return <Waiting />;
  return <RecordBody record={record} trace={trace} />;
}

function RecordBody({ record, trace }: { record: View; trace: Trace | undefined }): VNode {
  const { query } = usePlace();
  const receipt = record.receipt;
  const remarks = receipt ? receipt.missing.length + receipt.cut.length + receipt.masked.length : 0;
  const tabs = [
    { id: 'content', label: record.kind === 'completion' ? 'Conversation' : 'Input and output' },
    { id: 'json', label: 'JSON' },
    { id: 'receipt', label: 'Receipt', badge: remarks > 0 ? String(remarks) : undefined },
    {
      id: 'spans',
      label: 'Spans',
      badge: record.spans && record.spans.length > 1 ? String(record.spans.length) : undefined,
    },
  ];
  const tab = tabs.some(({ id }) => id === query.get('tab')) ? query.get('tab')! : 'content';
  return (
    <>
      <Crumbs crumbs={crumbsOf(record, trace)} here={titleOf(record)} />
      <Head record={record} trace={trace} />
      <Tabs
        label="Views of the record"
        tabs={tabs}
        current={tab}
        onChoose={(id) =>
          adjust((next) => {
            if (id === 'content') next.delete('tab');
            else next.set('tab', id);
          })
        }
      >
        {tab === 'json' ? (
          <PostedView record={record} />
        ) : tab === 'receipt' ? (
          <ReceiptView record={record} />
        ) : tab === 'spans' ? (
          <SpansView record={record} />
        ) : (
          <div class="with-facts">
            <div>
              <ErrorBox record={record} />
              {record.kind === 'completion' ? (
                <Messages record={record} trace={trace} />
              ) : (
                <InputOutput record={record} trace={trace} />
              )}
            </div>
            <Facts record={record} />
          </div>
        )}
      </Tabs>
    </>
  );
}

/** Sessions, session, trace, and the steps around it. */
function crumbsOf(record: View, trace: Trace | undefined): readonly Crumb[] {
  const session = textOf(objectOf(objectOf(record.body.session_info).custom_metadata)['session.id']);
  const crumbs: Crumb[] = [
    { label: 'Sessions', href: '/' },
    { label: session ?? record.session.slice(0, 8), href: `/sessions/${record.session}` },
  ];
  if (record.trace !== undefined && record.trace !== record.id)
    crumbs.push({
      label: trace?.name ?? 'trace',
      href: `/traces/${record.otelTraceId ?? record.trace}`,
    });
  for (const { id, kind, name } of record.parents) {
    if (kind === 'group' || kind === 'missing' || id === record.trace) continue;
    crumbs.push({ label: name, href: kind === 'completion' ? `/completions/${id}` : `/records/${id}` });
  }
  return crumbs;
}

export function titleOf({ kind, body }: View): string {
  if (kind === 'completion') return textOf(objectOf(body.call_info).model) ?? 'unknown model';
  return textOf(body.agent_name) ?? textOf(body.name) ?? 'unnamed';
}

function kindOf({ kind, body }: View): TraceNodeRow['kind'] {
  if (kind === 'completion') return 'completion';
  if (body.kind === 'tool') return 'tool';
  return body.agent_name !== undefined || body.kind === 'agent' ? 'agent' : 'trace';
}

export function errorOf({
  kind,
  body,
}: View): { type?: string; message?: string; stack?: string } | undefined {
  const metadata = objectOf(body.custom_metadata);
  const error =
    kind === 'completion'
      ? objectOf(objectOf(body.call_info).provider_info).error
      : metadata['error.type'] === undefined
        ? undefined
        : { type: metadata['error.type'], message: metadata['error.message'] };
  if (error === undefined || error === null) return undefined;
  if (typeof error === 'string') return { message: error };
  const found = objectOf(error as JsonValue);
  const [type, message, stack] = [textOf(found.type), textOf(found.message), textOf(found.stack)];
  return { ...(type && { type }), ...(message && { message }), ...(stack && { stack }) };
}

function ErrorBox({ record }: { record: View }): VNode | null {
  const error = errorOf(record);
  if (!error) return null;
  return (
    <section class="error-box" aria-label="Error">
      <p>
        <strong>
          <Words text={error.type ?? 'Failed'} />
        </strong>
      </p>
      {error.message !== undefined && <LongText text={error.message} />}
      {error.stack !== undefined && (
        <details>
          <summary>Stack</summary>
          <LongText text={error.stack} code />
        </details>
      )}
    </section>
  );
}

function Messages({ record, trace }: { record: View; trace: Trace | undefined }): VNode {
  const conversation = useMemo(() => toConversation(record.body), [record.body]);
  const info = objectOf(objectOf(record.body.call_info).provider_info);
  return (
    <>
      {info.content_captured === false && (
        <div class="hint">
          <p>
            <strong>Content was not captured.</strong>{' '}
            {record.receipt?.missing.map((line) => (
              <Words key={line} text={line} />
            ))}
          </p>
        </div>
      )}
      <ConversationView
        conversation={conversation}
        ran={toolsBelow(record.id, trace)}
        contentHidden={info.content_captured === false}
      />
    </>
  );
}

/** Tools hang below the completion that asked for them. */
function toolsBelow(id: string, trace: Trace | undefined): readonly TraceNodeRow[] {
  const at = trace?.nodes.findIndex((node) => node.id === id) ?? -1;
  if (!trace || at === -1) return [];
  const depth = trace.nodes[at]!.depth;
  const found: TraceNodeRow[] = [];
  for (const node of trace.nodes.slice(at + 1)) {
    if (node.depth <= depth) break;
    if (node.depth === depth + 1 && node.kind === 'tool') found.push(node);
  }
  return found;
}

function InputOutput({ record, trace }: { record: View; trace: Trace | undefined }): VNode {
  const below = trace && subtree(record.id, trace);
  return (
    <>
      <section class="io">
        <h2>Input</h2>
        <IoValue value={record.body.input} />
      </section>
      <section class="io">
        <h2>Output</h2>
        <IoValue value={record.body.output} />
      </section>
      {below && below.nodes.length > 1 && (
        <section class="io">
          <h2>Steps below</h2>
          <Waterfall trace={below} current={record.id} />
        </section>
      )}
    </>
  );
}

/** Messages as a conversation, anything else as what it is. */
function IoValue({ value }: { value: JsonValue | undefined }): VNode {
  const conversation = useMemo(() => {
    const messages = listOf(value);
    const isChat = messages.length > 0 && messages.every((one) => textOf(objectOf(one).role) !== undefined);
    return isChat ? toConversation({ messages }) : undefined;
  }, [value]);
  if (!conversation) return <ValueContent value={value} />;
  return <ConversationView conversation={conversation} ran={[]} contentHidden={false} />;
}

function subtree(id: string, trace: Trace): Trace | undefined {
  const at = trace.nodes.findIndex((node) => node.id === id);
  if (at === -1) return undefined;
  const depth = trace.nodes[at]!.depth;
  let end = at + 1;
  while (end < trace.nodes.length && trace.nodes[end]!.depth > depth) end++;
  return {
    ...trace,
    nodes: trace.nodes.slice(at, end).map((node) => ({ ...node, depth: node.depth - depth })),
  };
}

function Head({ record, trace }: { record: View; trace: Trace | undefined }): VNode {
  const { durationMillis, start } = timingOf(record.body);
  const { prompt, completion } = usageOf(record.body);
  const failed = errorOf(record) !== undefined;
  const kind = kindOf(record);
  return (
    <div class="head">
      <h1 tabIndex={-1}>
        <KindIcon kind={kind} failed={failed} hasWord />
        <span class="muted">{capital(kindWord(kind))}</span> <Words text={titleOf(record)} />
      </h1>
      {failed && <Failed />}
      <span class="head-facts">
        <Tokens
          {...(prompt === undefined ? {} : { promptTokens: prompt })}
          {...(completion === undefined ? {} : { completionTokens: completion })}
        />
        <Duration millis={durationMillis} />
        {start !== undefined && (
          <span class="muted">
            <Ago time={start} />
          </span>
        )}
      </span>
      <span class="head-actions">
        <Neighbours record={record} trace={trace} />
        {record.kind === 'completion' && <CompareButton record={record} />}
        <Menu label="Copy" items={copyItems(record)}>
          <Icon name="copy" /> Copy
        </Menu>
      </span>
    </div>
  );
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** The steps before and after, in order of the tree. */
function Neighbours({ record, trace }: { record: View; trace: Trace | undefined }): VNode | null {
  const steps = trace?.nodes.filter((node) => hrefOf(node) !== undefined) ?? [];
  const at = steps.findIndex(({ id }) => id === record.id);
  if (at === -1 || steps.length < 2) return null;
  return (
    <span class="neighbours">
      <Neighbour node={steps[at - 1]} icon="back" label="Step before" data="before" />
      <span class="muted figure">
        {at + 1}/{steps.length}
      </span>
      <Neighbour node={steps[at + 1]} icon="forward" label="Next step" data="after" />
    </span>
  );
}

function Neighbour({
  node,
  icon,
  label,
  data,
}: {
  node: TraceNodeRow | undefined;
  icon: 'back' | 'forward';
  label: string;
  data: string;
}): VNode {
  const href = node && hrefOf(node);
  if (href === undefined)
    return (
      <span class="button plain off">
        <Icon name={icon} />
      </span>
    );
  return (
    <a href={href} class="button plain" aria-label={label} title={label} data-neighbour={data}>
      <Icon name={icon} />
    </a>
  );
}

function CompareButton({ record }: { record: View }): VNode {
  const picked = usePicked();
  if (picked === record.id)
    return (
      <button type="button" class="button" aria-pressed onClick={() => pickForCompare(undefined)}>
        Picked
      </button>
    );
  return (
    <button
      type="button"
      class="button"
      onClick={() => {
        const other = pickedForCompare();
        pickForCompare(other === undefined ? record.id : undefined);
        if (other !== undefined) go(`/compare?a=${other}&b=${record.id}`);
      }}
    >
      {picked === undefined ? 'Compare' : 'Compare with the picked one'}
    </button>
  );
}

function copyItems(record: View): readonly MenuItem[] {
  const pretty = JSON.stringify(parseJson(record.posted) ?? record.body, null, 2);
  const items: MenuItem[] = [
    {
      label: 'Link',
      onChoose: () => void copyText(location.origin + location.pathname, 'the link'),
    },
    { label: 'JSON', hint: 'as it was posted', onChoose: () => void copyText(record.posted, 'the JSON') },
    {
      label: 'cURL',
      hint: 'posts it again',
      onChoose: () => void copyText(toCurl(`${location.origin}/api${record.path}`, record.posted), 'as cURL'),
    },
  ];
  if (record.kind === 'completion')
    items.push({
      label: 'OpenAI request',
      hint: 'asks the same again',
      onChoose: () => {
        const { body, leftOut } = toOpenAiRequest(record.body);
        const rest =
          leftOut.length === 0 ? '' : `; left out, since that API refuses them: ${leftOut.join(', ')}`;
        void copyText(JSON.stringify(body, null, 2), `the OpenAI request${rest}`);
      },
    });
  items.push({
    label: 'Download JSON',
    onChoose: () =>
      saveFile(new Blob([pretty], { type: 'application/json' }), `${record.kind}-${record.id}.json`),
  });
  return items;
}
