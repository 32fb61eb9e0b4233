/** Keys that work anywhere, unless one is typing or a dialog is open. */

interface KeyActions {
  help(): void;
}

export function startKeyboard(actions: KeyActions): () => void {
  function onKeyDown(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector('dialog[open]')) return;
    const { activeElement: active } = document;
    if (isTyping(active)) {
      if (event.key === 'Escape') (active as HTMLElement).blur();
      return;
    }
    if (act(event.key, actions)) event.preventDefault();
  }
  document.addEventListener('keydown', onKeyDown);
  return () => document.removeEventListener('keydown', onKeyDown);
}

/** Whether the key meant something. */
function act(key: string, { help }: KeyActions): boolean {
  switch (key) {
    case '/':
      return focus('#search');
    case 'j':
      return moveRow(1);
    case 'k':
      return moveRow(-1);
    case 'Escape':
    case 'Backspace':
      return click('[data-up]');
    case '[':
      return click('[data-neighbour=before]');
    case ']':
      return click('[data-neighbour=after]');
    case '?':
      help();
      return true;
    default:
      return /^[1-9]$/.test(key) && chooseTab(Number(key) - 1);
  }
}

function isTyping(element: Element | null): boolean {
  if (element instanceof HTMLInputElement) return !['checkbox', 'radio', 'button'].includes(element.type);
  return element instanceof HTMLTextAreaElement || element instanceof HTMLSelectElement;
}

function focus(selector: string): boolean {
  const element = document.querySelector<HTMLElement>(selector);
  element?.focus();
  if (element instanceof HTMLInputElement) element.select();
  return element !== null;
}

function click(selector: string): boolean {
  const element = document.querySelector<HTMLElement>(selector);
  element?.click();
  return element !== null;
}

function chooseTab(index: number): boolean {
  const tab = document.querySelectorAll<HTMLElement>('[data-tab]')[index];
  tab?.click();
  tab?.focus();
  return tab !== undefined;
}

/** From where the focus is, or from the first row. */
function moveRow(by: 1 | -1): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  const row =
    rows[at === -1 ? (by === 1 ? 0 : rows.length - 1) : Math.max(0, Math.min(rows.length - 1, at + by))];
  row?.focus();
  row?.scrollIntoView({ block: 'nearest' });
  return row !== undefined;
}
