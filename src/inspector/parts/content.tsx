/** A text or value in the form it reads best in, and as it is for whoever wants that. */
import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { JsonValue } from '../../json/json-text.ts';
import { structureIn } from '../model/values.ts';
import { JsonTree } from './json-tree.tsx';
import { Markdown, markdownTokens } from './markdown.tsx';
import { LongText, ShowMore } from './text.tsx';

/** Longer texts are not looked at for what they may be. */
const MAX_JSON_LENGTH = 2_000_000;
/** Of Markdown, before it is opened. */
const FOLDED_LENGTH = 5_000;

export function Content({ text }: { text: string }): VNode {
  const [raw, setRaw] = useState(false);
  const structure = useMemo(() => (text.length > MAX_JSON_LENGTH ? undefined : structureIn(text)), [text]);
  const [all, setAll] = useState(text.length < FOLDED_LENGTH * 1.2);
  const tokens = useMemo(
    () => (structure === undefined ? markdownTokens(text, all ? undefined : FOLDED_LENGTH) : undefined),
    [text, structure, all],
  );
  if (structure === undefined && tokens === undefined) return <LongText text={text} />;
  return (
    <div class="content">
      <button
        type="button"
        class="raw-toggle"
        aria-pressed={raw}
        title="The text exactly as it was recorded"
        onClick={() => setRaw(!raw)}
      >
        {structure === undefined ? 'Markdown' : 'JSON'}
        <span class="raw-state">{raw ? ' · raw' : ''}</span>
      </button>
      {raw ? (
        <LongText text={text} code />
      ) : structure !== undefined ? (
        <JsonTree value={structure} />
      ) : (
        <>
          <Markdown tokens={tokens ?? []} />
          {!all && <ShowMore left={text.length - FOLDED_LENGTH} onShow={() => setAll(true)} />}
        </>
      )}
    </div>
  );
}

/** Any value: a text as a text. */
export function ValueContent({ value }: { value: JsonValue | undefined }): VNode {
  if (value === null || value === undefined) return <span class="muted">nothing recorded</span>;
  if (typeof value === 'string')
    return value === '' ? <span class="muted">an empty text</span> : <Content text={value} />;
  return <JsonTree value={value} />;
}
