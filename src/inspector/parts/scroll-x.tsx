import type { ComponentChildren, VNode } from 'preact';

interface ScrollXProps {
  readonly label: string;
  readonly children: ComponentChildren;
  readonly class?: string;
}

/** What may be wider than the page. It takes the focus, so that it can be scrolled without a pointer. */
export function ScrollX({ label, children, class: extra = '' }: ScrollXProps): VNode {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
    <section class={`scroll-x ${extra}`} tabIndex={0} aria-label={label}>
      {children}
    </section>
  );
}

/** Code to copy, as it is. */
export function Code({ text }: { text: string }): VNode {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls
    <pre class="snippet" tabIndex={0}>
      {text}
    </pre>
  );
}
