/** Strings of strangers. All of the page's text that is not its own goes through here. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { type Segment, segmentsOf } from '../model/visible-text.ts';

/** What a person can take in at a glance, in UTF-16 code units. */
const SHORT = 3_000;
/** More at once would make the browser wait. */
const STEP = 200_000;

/** In a line. Isolated, so that a right-to-left text turns nothing around but itself. */
export function Words({ text }: { text: string }): VNode {
  return <bdi>{showSegments(text)}</bdi>;
}

export function showSegments(text: string): (VNode | string)[] {
  return segmentsOf(text).map((segment: Segment, index) =>
    typeof segment === 'string' ? (
      segment
    ) : (
      <span key={index} class="hidden-character" title={`${segment.code} ${segment.name}`}>
        {segment.code}
      </span>
    ),
  );
}

/** A text as it is, with its white space. A long one is folded. */
export function LongText({ text, code = false }: { text: string; code?: boolean }): VNode {
  const [shown, setShown] = useState(text.length > SHORT * 1.2 ? SHORT : text.length);
  const end = shown >= text.length ? text.length : wholeCharacter(text, shown);
  return (
    <div class={code ? 'long-text code' : 'long-text'}>
      <div class="pre" dir="auto">
        {showSegments(text.slice(0, end))}
      </div>
      {end < text.length && (
        <ShowMore
          left={text.length - end}
          onShow={() => setShown(shown < STEP && text.length > STEP ? STEP : shown + STEP)}
        />
      )}
    </div>
  );
}

export function ShowMore({ left, onShow }: { left: number; onShow: () => void }): VNode {
  return (
    <button type="button" class="show-more" onClick={onShow}>
      {left > STEP ? 'Show more' : 'Show all'}
      <span class="muted"> {left.toLocaleString('en-US')} more characters</span>
    </button>
  );
}

/** Not between the halves of a character. */
function wholeCharacter(text: string, end: number): number {
  const code = text.charCodeAt(end - 1);
  return code >= 0xd800 && code <= 0xdbff ? end - 1 : end;
}
