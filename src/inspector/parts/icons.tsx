/** Small pictures, drawn with the colour of the text around them. Never the only sign of anything. */
import type { VNode } from 'preact';

const PATHS = {
  agent: 'M8 1.5 14 5v6l-6 3.5L2 11V5zM8 5.2v5.6M5.5 6.6l5 2.8M10.5 6.6l-5 2.8',
  completion: 'M2.5 3h11v8H7l-3 2.5V11H2.5z',
  tool: 'M10.2 2.2a3.3 3.3 0 0 0-4.1 4.2L2 10.5 4.3 13l4.2-4.2a3.3 3.3 0 0 0 4.1-4.1L10.5 6.8 8.7 5z',
  trace: 'M2.5 4h7M5 8h8M4 12h5',
  group: 'M2.5 3.5h11M2.5 8h11M2.5 12.5h11',
  missing: 'M5.5 5.8a2.6 2.6 0 1 1 3.6 2.4c-.8.4-1.1.900-1.1 1.7M8 12.3v.3',
  search: 'M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9m3.3 7.8 3.4 3.4',
  menu: 'M3 8h.1M8 8h.1M13 8h.1',
  copy: 'M5.5 5.5h8v8h-8zM3 10.5v-8h8',
  close: 'm4 4 8 8m0-8-8 8',
  back: 'M10 3 5 8l5 5',
  forward: 'm6 3 5 5-5 5',
  sun: 'M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13 9.5A5.5 5.5 0 0 1 6.5 3 5.5 5.5 0 1 0 13 9.5z',
  auto: 'M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2m0 0v12',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): VNode {
  return (
    <svg class={`icon icon-${name}`} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
