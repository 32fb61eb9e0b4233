import type { ComponentChildren, VNode } from 'preact';
import type { ViewError } from '../data/api.ts';

export function Waiting(): VNode {
  return (
    <p class="notice muted" role="status">
      Loading …
    </p>
  );
}

/** Nothing there, or not what was hoped for. */
export function Notice({ title, children }: { title: string; children?: ComponentChildren }): VNode {
  return (
    <div class="notice">
      <p class="notice-title">{title}</p>
      {children}
    </div>
  );
}

export function Problem({ error, what }: { error: ViewError; what: string }): VNode {
  return error.status === 404 ? (
    <Notice title={`There is no such ${what} here.`}>
      <p>
        It was deleted, let go of to stay within the bounds of memory, or is with another server.{' '}
        <a href="/" data-up>
          All sessions
        </a>
      </p>
    </Notice>
  ) : (
    <Notice title={`The ${what} cannot be shown.`}>
      <p>{error.message}</p>
    </Notice>
  );
}
