import type { VNode } from 'preact';
import { Words } from './text.tsx';

export interface Crumb {
  readonly label: string;
  readonly href: string;
}

/** Where this is; the last link is one level up, which is where Escape goes. */
export function Crumbs({ crumbs, here }: { crumbs: readonly Crumb[]; here: string }): VNode {
  return (
    <nav class="crumbs" aria-label="Breadcrumb">
      <ol>
        {crumbs.map(({ label, href }, index) => (
          <li key={href}>
            <a href={href} {...(index === crumbs.length - 1 ? { 'data-up': '' } : {})}>
              <Words text={label} />
            </a>
          </li>
        ))}
        <li aria-current="page">
          <Words text={here} />
        </li>
      </ol>
    </nav>
  );
}
