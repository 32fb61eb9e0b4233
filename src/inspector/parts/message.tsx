/** The conversation of a completion, message by message. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { formatDuration } from '../../local/summary.ts';
import type { TraceNodeRow } from '../../local/view-types.ts';
import type { Call, Conversation, Part, Turn } from '../model/conversation.ts';
import { structureIn } from '../model/values.ts';
import { Content, ValueContent } from './content.tsx';
import { Icon } from './icons.tsx';
import { JsonTree } from './json-tree.tsx';
import { Audio, FilePart, Image } from './media.tsx';
import { LongText, Words } from './text.tsx';
import { hrefOf } from './waterfall.tsx';

/** Of a long conversation the beginning and the end are shown first. */
const HEAD = 3;
const TAIL = 12;

const ROLE_WORDS: ReadonlyMap<string, string> = new Map([
  ['system', 'System'],
  ['developer', 'Developer'],
  ['user', 'User'],
  ['assistant', 'Assistant'],
  ['tool', 'Tool result'],
  ['function', 'Function result'],
]);

interface ConversationProps {
  readonly conversation: Conversation;
  /** Tools that ran because this completion asked for them, in order. */
  readonly ran: readonly TraceNodeRow[];
  readonly contentHidden: boolean;
}

export function ConversationView({ conversation, ran, contentHidden }: ConversationProps): VNode {
  const { turns, choices } = conversation;
  const [all, setAll] = useState(turns.length <= HEAD + TAIL + 3);
  const shown = all ? turns : [...turns.slice(0, HEAD), ...turns.slice(-TAIL)];
  return (
    <ol class="conversation" aria-label="Messages">
      {shown.map((turn, index) => (
        <>
          {!all && index === HEAD && (
            <li class="gap" key="gap">
              <button type="button" class="show-more" onClick={() => setAll(true)}>
                Show the {turns.length - HEAD - TAIL} messages between
              </button>
            </li>
          )}
          <Message key={turn.index} turn={turn} ran={ran} contentHidden={contentHidden} />
        </>
      ))}
      {choices.map((choice) => (
        <Message
          key={`choice ${choice.index}`}
          turn={choice}
          ran={[]}
          contentHidden={contentHidden}
          title={`Choice ${choice.index + 1}`}
        />
      ))}
    </ol>
  );
}

interface MessageProps {
  readonly turn: Turn;
  readonly ran: readonly TraceNodeRow[];
  readonly contentHidden: boolean;
  readonly title?: string;
}

function Message({ turn, ran, contentHidden, title }: MessageProps): VNode {
  const known = ROLE_WORDS.has(turn.role);
  const role = title ?? (turn.isReply ? 'Reply' : ROLE_WORDS.get(turn.role));
  const isEmpty = turn.parts.length === 0 && turn.calls.length === 0 && turn.reasoning === undefined;
  return (
    <li class={`message role-${known ? turn.role : 'other'}${turn.isReply ? ' reply' : ''}`}>
      <div class="message-role">
        <span class="role">{role ?? <Words text={turn.role} />}</span>
        {title === undefined && <span class="message-index">#{turn.index + 1}</span>}
        {turn.name !== undefined && (
          <span class="message-name">
            <Words text={turn.name} />
          </span>
        )}
      </div>
      <div class="message-content">
        {turn.reasoning !== undefined && <Reasoning text={turn.reasoning} />}
        {isEmpty && <Empty turn={turn} contentHidden={contentHidden} />}
        {turn.parts.map((part, index) => (
          <PartView key={index} part={part} />
        ))}
        {turn.calls.map((call, index) => (
          <CallView key={index} call={call} ran={turn.isReply ? ranFor(turn.calls, index, ran) : undefined} />
        ))}
      </div>
    </li>
  );
}

function Empty({ turn, contentHidden }: { turn: Turn; contentHidden: boolean }): VNode {
  const text = contentHidden
    ? 'Content was not captured.'
    : turn.hasContent
      ? 'An empty text.'
      : 'No content.';
  return <p class="muted">{text}</p>;
}

function Reasoning({ text }: { text: string }): VNode {
  const [open, setOpen] = useState(false);
  return (
    <details class="reasoning" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        Reasoning <span class="muted">{text.length.toLocaleString('en-US')} characters</span>
      </summary>
      {open && <Content text={text} />}
    </details>
  );
}

export function PartView({ part }: { part: Part }): VNode {
  switch (part.kind) {
    case 'text':
      return <Content text={part.text} />;
    case 'refusal':
      return (
        <div class="refusal">
          <span class="tag error">refusal</span> <LongText text={part.text} />
        </div>
      );
    case 'image':
      return <Image url={part.url} />;
    case 'audio':
      return <Audio url={part.url} format={part.format} />;
    case 'file':
      return <FilePart name={part.name} url={part.url} />;
    default:
      return <JsonTree value={part.value} />;
  }
}

/** The i-th call of a name belongs to the i-th tool of that name that ran. */
function ranFor(
  calls: readonly Call[],
  index: number,
  ran: readonly TraceNodeRow[],
): TraceNodeRow | undefined {
  const { name } = calls[index]!;
  const before = calls.slice(0, index).filter((call) => call.name === name).length;
  return ran.filter((node) => node.name === name || node.name.endsWith(` ${name}`))[before];
}

function CallView({ call, ran }: { call: Call; ran: TraceNodeRow | undefined }): VNode {
  const given = structureIn(call.arguments);
  const href = ran && hrefOf(ran);
  return (
    <div class="call">
      <div class="call-head">
        <Icon name="tool" />
        <strong>
          <Words text={call.name} />
        </strong>
        {call.id !== undefined && (
          <span class="muted mono small call-id">
            <Words text={call.id} />
          </span>
        )}
        {href !== undefined && (
          <a href={href} class="call-ran">
            {ran?.failed ? 'failed' : 'ran'}
            {ran?.durationMillis !== undefined && ` in ${formatDuration(ran.durationMillis)}`}
          </a>
        )}
      </div>
      <div class="call-body">
        <span class="call-label">arguments</span>
        <div>
          {given !== undefined ? (
            <JsonTree value={given} />
          ) : call.arguments === '' ? (
            <span class="muted">none</span>
          ) : (
            <LongText text={call.arguments} code />
          )}
        </div>
        {call.result !== undefined && (
          <>
            <span class="call-label">
              result <span class="message-index">#{call.result.index + 1}</span>
            </span>
            <div>
              {call.result.parts.length === 0 && <ValueContent value={call.result.hasContent ? '' : null} />}
              {call.result.parts.map((part, index) => (
                <PartView key={index} part={part} />
              ))}
            </div>
          </>
        )}
      </div>
    </div>
  );
}
