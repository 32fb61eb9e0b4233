import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';

let show: (text: string) => void = () => {};

/** A short word on what just happened; screen readers hear it too. */
export function toast(text: string): void {
  show(text);
}

export function Toaster(): VNode {
  const [text, setText] = useState('');
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    show = (next) => {
      clearTimeout(timer);
      setText(next);
      timer = setTimeout(() => setText(''), 4_000);
    };
    return () => clearTimeout(timer);
  }, []);
  return (
    <div class="toaster" role="status">
      {text !== '' && <div class="toast">{text}</div>}
    </div>
  );
}
