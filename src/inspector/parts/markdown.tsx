/** Markdown as elements: from tokens, never from HTML. HTML inside it is a text like any other. */
import { Lexer, type Token, type Tokens } from 'marked';
import type { ComponentChildren, VNode } from 'preact';
import { linkTarget } from '../model/safe-url.ts';
import { Image } from './media.tsx';
import { ScrollX } from './scroll-x.tsx';
import { LongText, showSegments, Words } from './text.tsx';

/** Longer texts are shown as they are: lexing them would make the page wait. */
const MAX_LENGTH = 60_000;
/** Quotes and lists in each other; past that the text is shown as it is. */
const MAX_DEPTH = 24;

/** Tokens of what looks like Markdown; `undefined`: it is a plain text, too long, or too strange. */
export function markdownTokens(text: string, end?: number): readonly Token[] | undefined {
  if (text.length > MAX_LENGTH || !SIGNS.test(text)) return undefined;
  try {
    return new Lexer({ gfm: true, breaks: true }).lex(text.slice(0, end));
  } catch {
    return undefined;
  }
}

const SIGNS =
  /^ {0,3}(#{1,6} |[-*+] |\d{1,9}[.)] |> |```|~~~|\|.*\||(?:-{3,}|\*{3,}|_{3,})\s*$)|\*\*[^*\n]+\*\*|`[^`\n]+`|\[[^\]\n]+\]\([^)\n]+\)|(?:^|\s)[*_][^*_\s][^*_\n]*[*_](?:\s|$|[.,;:!?])|https?:\/\//m;

export function Markdown({ tokens }: { tokens: readonly Token[] }): VNode {
  return <div class="markdown">{blocks(tokens, 0)}</div>;
}

function blocks(tokens: readonly Token[], depth: number): ComponentChildren {
  return tokens.map((token, index) => <Block key={index} token={token} depth={depth} />);
}

function Block({ token, depth }: { token: Token; depth: number }): VNode | null {
  if (depth > MAX_DEPTH) return <p dir="auto">{showSegments(token.raw)}</p>;
  switch (token.type) {
    case 'space':
    case 'def':
      return token.type === 'def' ? <p dir="auto">{showSegments(token.raw)}</p> : null;
    case 'heading':
      // The page has headings of its own: these are a text's.
      return (
        <p class={`heading heading-${(token as Tokens.Heading).depth}`} dir="auto">
          {inline(token.tokens, depth)}
        </p>
      );
    case 'code':
      return <CodeBlock code={token as Tokens.Code} />;
    case 'blockquote':
      return <blockquote>{blocks(token.tokens ?? [], depth + 1)}</blockquote>;
    case 'list':
      return <ListBlock list={token as Tokens.List} depth={depth} />;
    case 'table':
      return <TableBlock table={token as Tokens.Table} depth={depth} />;
    case 'hr':
      return <hr />;
    case 'paragraph':
    case 'text':
      return <p dir="auto">{token.tokens ? inline(token.tokens, depth) : showSegments(token.raw)}</p>;
    default:
      return (
        <p class="pre" dir="auto">
          {showSegments(token.raw)}
        </p>
      );
  }
}

function CodeBlock({ code }: { code: Tokens.Code }): VNode {
  return (
    <div class="code-block">
      {code.lang && (
        <div class="code-language">
          <Words text={code.lang} />
        </div>
      )}
      <LongText text={code.text} code />
    </div>
  );
}

function ListBlock({ list, depth }: { list: Tokens.List; depth: number }): VNode {
  const items = list.items.map((item, index) => (
    <li key={index}>
      {item.task && (
        <span role="img" aria-label={item.checked ? 'done' : 'to do'}>
          {item.checked ? '☑ ' : '☐ '}
        </span>
      )}
      {itemContent(item, depth)}
    </li>
  ));
  return list.ordered ? <ol start={list.start === '' ? 1 : list.start}>{items}</ol> : <ul>{items}</ul>;
}

/** A tight item has its text without a paragraph around it. */
function itemContent(item: Tokens.ListItem, depth: number): ComponentChildren {
  return item.tokens
    .filter((token) => token.type !== 'checkbox')
    .map((token, index) =>
      token.type === 'text' ? (
        <span key={index} dir="auto">
          {token.tokens ? inline(token.tokens, depth) : showSegments(token.raw)}
        </span>
      ) : (
        <Block key={index} token={token} depth={depth + 1} />
      ),
    );
}

function TableBlock({ table, depth }: { table: Tokens.Table; depth: number }): VNode {
  return (
    <ScrollX label="Table">
      <table>
        <thead>
          <tr>
            {table.header.map((cell, index) => (
              <th key={index} scope="col">
                {inline(cell.tokens, depth)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {table.rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, place) => (
                <td key={place}>{inline(cell.tokens, depth)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollX>
  );
}

function inline(tokens: readonly Token[] | undefined, depth: number): ComponentChildren {
  return (tokens ?? []).map((token, index) => <Inline key={index} token={token} depth={depth + 1} />);
}

function Inline({ token, depth }: { token: Token; depth: number }): VNode {
  return <>{inlineContent(token, depth)}</>;
}

function inlineContent(token: Token, depth: number): ComponentChildren {
  if (depth > MAX_DEPTH) return showSegments(token.raw);
  switch (token.type) {
    case 'strong':
      return <strong>{inline(token.tokens, depth)}</strong>;
    case 'em':
      return <em>{inline(token.tokens, depth)}</em>;
    case 'del':
      return <del>{inline(token.tokens, depth)}</del>;
    case 'codespan':
      return <code>{showSegments((token as Tokens.Codespan).text)}</code>;
    case 'br':
      return <br />;
    case 'link':
      return <OutLink link={token as Tokens.Link} depth={depth} />;
    case 'image':
      return <Image url={(token as Tokens.Image).href} alt={(token as Tokens.Image).text} />;
    case 'escape':
      return showSegments((token as Tokens.Escape).text);
    case 'text':
      return token.tokens ? inline(token.tokens, depth) : showSegments((token as Tokens.Text).text);
    default:
      return showSegments(token.raw);
  }
}

/** Where it leads stands beside it: the words of a link may say anything. */
function OutLink({ link, depth }: { link: Tokens.Link; depth: number }): VNode {
  const target = linkTarget(link.href);
  if (target === undefined) return <>{showSegments(link.raw)}</>;
  return (
    <a href={target} target="_blank" rel="noopener noreferrer nofollow" title={target} class="out-link">
      {inline(link.tokens, depth)}
    </a>
  );
}
