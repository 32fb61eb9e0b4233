import type { VNode } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { RecordView } from '../../local/view-types.ts';
import { formatBytes } from '../model/format.ts';
import { parseJson } from '../model/values.ts';
import { copyText } from './copy.ts';
import { JsonTree } from './json-tree.tsx';
import { LongText, Words } from './text.tsx';

type Form = 'tree' | 'text' | 'now';

/** What was posted, letter by letter, and what became of it. */
export function PostedView({ record }: { record: RecordView }): VNode {
  const [form, setForm] = useState<Form>('tree');
  const posted = useMemo(() => parseJson(record.posted), [record.posted]);
  const changed = useMemo(
    () => JSON.stringify(posted) !== JSON.stringify(record.body),
    [posted, record.body],
  );
  const bytes = useMemo(() => new TextEncoder().encode(record.posted).length, [record.posted]);
  const forms: [Form, string][] = [
    ['tree', 'Posted'],
    ['text', 'Exact text'],
    ...(changed ? [['now', 'With later updates'] as [Form, string]] : []),
  ];
  return (
    <div class="posted">
      <div class="posted-head">
        <fieldset class="segments">
          <legend class="visually-hidden">Form of the JSON</legend>
          {forms.map(([id, label]) => (
            <label key={id}>
              <input type="radio" name="form" checked={form === id} onChange={() => setForm(id)} />
              {label}
            </label>
          ))}
        </fieldset>
        <span class="muted small break">
          POST <Words text={record.path} /> · {formatBytes(bytes)}
        </span>
        <button type="button" class="button" onClick={() => void copyText(record.posted, 'the JSON')}>
          Copy
        </button>
      </div>
      {form === 'text' || posted === undefined ? (
        <LongText text={record.posted} code />
      ) : (
        <JsonTree value={form === 'now' ? record.body : posted} />
      )}
    </div>
  );
}
