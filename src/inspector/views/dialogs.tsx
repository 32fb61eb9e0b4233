/** What the menu of the page opens. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { FaultSettings, ServerStatus } from '../../local/view-types.ts';
import { change, getJson } from '../data/api.ts';
import { forgetAll } from '../data/view.ts';
import { plural } from '../model/format.ts';
import { Dialog } from '../parts/dialog.tsx';
import { toast } from '../parts/toast.tsx';

export const NO_FAULTS: FaultSettings = { percent: 0, status: 503, latencyMillis: 0 };

export function isFaulty({ percent, latencyMillis }: FaultSettings): boolean {
  return percent > 0 || latencyMillis > 0;
}

interface FaultsProps {
  onClose(): void;
  onSaved(): void;
}

export function FaultsDialog({ onClose, onSaved }: FaultsProps): VNode {
  const [faults, setFaults] = useState<FaultSettings | undefined>();
  const [problem, setProblem] = useState<string | undefined>();
  useEffect(() => {
    getJson<FaultSettings>('faults').then(setFaults, (error: Error) => setProblem(error.message));
  }, []);
  async function save(settings: FaultSettings): Promise<void> {
    try {
      await change('PUT', 'faults', settings);
      toast(isFaulty(settings) ? 'The server pretends to fail now.' : 'The server works as usual again.');
      onSaved();
      onClose();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'The settings were not taken.');
    }
  }
  return (
    <Dialog title="Pretend to fail" onClose={onClose}>
      <p class="muted">
        For testing your own set-up: how the server answers recording requests. This page is not affected, and
        whoever has retries loses nothing.
      </p>
      {problem !== undefined && (
        <p class="form-error" role="alert">
          {problem}
        </p>
      )}
      {faults && (
        <form
          class="form"
          onSubmit={(event) => {
            event.preventDefault();
            void save(faults);
          }}
        >
          <NumberField
            label="Requests that fail"
            unit="%"
            value={faults.percent}
            min={0}
            max={100}
            onChange={(percent) => setFaults({ ...faults, percent: percent ?? 0 })}
          />
          <label>
            <span>Answered with</span>
            <select
              value={String(faults.status)}
              onChange={(event) => setFaults({ ...faults, status: Number(event.currentTarget.value) })}
            >
              {statusesWith(faults.status).map(([status, words]) => (
                <option key={status} value={String(status)}>
                  {status} {words}
                </option>
              ))}
            </select>
          </label>
          <NumberField
            label="Wait before every answer"
            unit="ms"
            value={faults.latencyMillis}
            min={0}
            max={60_000}
            onChange={(latencyMillis) => setFaults({ ...faults, latencyMillis: latencyMillis ?? 0 })}
          />
          <NumberField
            label="Retry-After of failing answers"
            unit="s"
            value={faults.retryAfterSeconds}
            min={0}
            max={86_400}
            onChange={(seconds) => {
              const { retryAfterSeconds: _, ...rest } = faults;
              setFaults(seconds === undefined ? rest : { ...rest, retryAfterSeconds: seconds });
            }}
          />
          <div class="form-actions">
            <button type="button" class="button" onClick={() => void save(NO_FAULTS)}>
              Stop failing
            </button>
            <button type="submit" class="button primary">
              Apply
            </button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

const STATUSES: readonly (readonly [number, string])[] = [
  [400, 'Bad Request'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [408, 'Request Timeout'],
  [413, 'Content Too Large'],
  [429, 'Too Many Requests'],
  [500, 'Internal Server Error'],
  [502, 'Bad Gateway'],
  [503, 'Service Unavailable'],
  [504, 'Gateway Timeout'],
];

function statusesWith(status: number): readonly (readonly [number, string])[] {
  return STATUSES.some(([one]) => one === status) ? STATUSES : [...STATUSES, [status, '']];
}

interface NumberFieldProps {
  readonly label: string;
  readonly unit: string;
  readonly value: number | undefined;
  readonly min: number;
  readonly max: number;
  onChange(value: number | undefined): void;
}

function NumberField({ label, unit, value, min, max, onChange }: NumberFieldProps): VNode {
  return (
    <label>
      <span>{label}</span>
      <span class="with-unit">
        <input
          type="number"
          min={min}
          max={max}
          value={value ?? ''}
          onInput={(event) => {
            const { valueAsNumber } = event.currentTarget;
            onChange(Number.isNaN(valueAsNumber) ? undefined : valueAsNumber);
          }}
        />
        {unit}
      </span>
    </label>
  );
}

interface DeleteProps {
  readonly status: ServerStatus;
  onClose(): void;
}

export function DeleteDialog({ status, onClose }: DeleteProps): VNode {
  const [busy, setBusy] = useState(false);
  async function deleteAll(): Promise<void> {
    setBusy(true);
    try {
      await change('DELETE', 'records');
      forgetAll();
      toast('Everything is deleted.');
      onClose();
    } catch (error) {
      setBusy(false);
      toast(error instanceof Error ? error.message : 'Nothing was deleted.');
    }
  }
  return (
    <Dialog title="Delete all records?" onClose={onClose}>
      <p>
        {plural(status.records, 'record')} in <span class="mono break">{status.location}</span> will be gone,
        of all sessions and projects. This cannot be undone.
      </p>
      <div class="form-actions">
        <button type="button" class="button" onClick={onClose}>
          Keep them
        </button>
        <button type="button" class="button danger" disabled={busy} onClick={() => void deleteAll()}>
          Delete all
        </button>
      </div>
    </Dialog>
  );
}

const KEYS: readonly (readonly [string, string])[] = [
  ['/', 'search'],
  ['j  k', 'next and previous row'],
  ['Enter', 'open'],
  ['Esc  Backspace', 'one level up'],
  ['[  ]', 'step before and after, in a record'],
  ['1 – 4', 'tabs of a record'],
  ['?', 'this help'],
];

export function HelpDialog({ onClose }: { onClose(): void }): VNode {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl class="keys">
        {KEYS.map(([keys, words]) => (
          <div key={keys}>
            <dt>
              {keys.split('  ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

export function KeyForm({ refused, onKey }: { refused: boolean; onKey(key: string): void }): VNode {
  const [key, setKey] = useState('');
  return (
    <form
      class="key-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (key.trim() !== '') onKey(key.trim());
      }}
    >
      <h1 tabIndex={-1}>This server asks for its key</h1>
      <p class="muted">
        The one that was given to <code>freeplay-otel local --key</code>. It is kept in this tab alone, until
        the tab is closed.
      </p>
      <label>
        <span>Key</span>
        <input
          type="password"
          autocomplete="off"
          required
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
      </label>
      {refused && (
        <p class="form-error" role="alert">
          The server refused that key.
        </p>
      )}
      <button type="submit" class="button primary">
        Open
      </button>
    </form>
  );
}
