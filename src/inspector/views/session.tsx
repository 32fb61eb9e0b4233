import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { formatCount } from '../../local/summary.ts';
import type { SessionView as Session, TraceView as Trace, TraceRow } from '../../local/view-types.ts';
import { request } from '../data/api.ts';
import type { LiveEvent } from '../data/live.ts';
import { useView } from '../data/view.ts';
import { plural } from '../model/format.ts';
import { entriesOf } from '../model/values.ts';
import { copyText, saveFile } from '../parts/copy.ts';
import { Crumbs } from '../parts/crumbs.tsx';
import { Group, Pairs } from '../parts/facts.tsx';
import { Ago, Duration, Failed, Tokens } from '../parts/figures.tsx';
import { Notice, Problem, Waiting } from '../parts/notice.tsx';
import { Words } from '../parts/text.tsx';
import { toast } from '../parts/toast.tsx';
import { Waterfall } from '../parts/waterfall.tsx';

/** So many waterfalls are opened by themselves. */
const OPEN_TRACES = 3;

export function changes(kind: 'sessions' | 'traces' | 'records', id: string | undefined) {
  return (event: LiveEvent): boolean =>
    event.type === 'cleared' ||
    (event.type === 'changed' && (event.more || (id !== undefined && event[kind].includes(id))));
}

export function sessionLabel(session: { readonly id: string; readonly name?: string }): string {
  return session.name ?? session.id.slice(0, 8);
}

export function SessionView({ id }: { id: string }): VNode {
  const { data: session, error } = useView<Session>(`sessions/${id}`, changes('sessions', id));
  if (error && !session) return <Problem error={error} what="session" />;
  if (!session) return <Waiting />;
  const label = sessionLabel(session);
  return (
    <>
      <Crumbs crumbs={[{ label: 'Sessions', href: '/' }]} here={label} />
      <div class="head">
        <h1 tabIndex={-1}>
          <span class="muted">Session</span> <Words text={label} />
        </h1>
        {session.errors > 0 && <Failed count={session.errors} />}
        <span class="head-facts">
          <span>{plural(session.completions, 'completion')}</span>
          <Tokens {...session} />
          <Duration millis={Math.max(0, session.end - session.start)} />
          <span class="muted">
            <Ago time={session.end} />
          </span>
        </span>
        <span class="head-actions">
          <button type="button" class="button" onClick={() => void copyText(session.id, 'the session id')}>
            Copy id
          </button>
          <button type="button" class="button" onClick={() => void exportSession(session)}>
            Export
          </button>
        </span>
      </div>
      <div class="with-facts">
        <div>
          {session.traceList.length === 0 && <Notice title="This session has no traces." />}
          {session.traceList.map((trace, index) => (
            <TraceCard key={trace.id} trace={trace} startsOpen={index < OPEN_TRACES} />
          ))}
          {session.traceListIsMore && (
            <p class="list-end muted">
              These are the first {plural(session.traceList.length, 'trace')}; there are more.
            </p>
          )}
        </div>
        <aside class="facts" aria-label="Facts">
          <Group title="Metadata" entries={entriesOf(session.metadata)} />
          <Group
            title="Models and agents"
            entries={[
              ...session.models.map((model) => ['model', model] as const),
              ...session.agents.map((agent) => ['agent', agent] as const),
            ]}
          />
          <section class="fact-group">
            <h2>Identifiers</h2>
            <Pairs
              entries={[
                ['session', session.id],
                ['project', session.project],
              ]}
            />
          </section>
        </aside>
      </div>
    </>
  );
}

function TraceCard({ trace, startsOpen }: { trace: TraceRow; startsOpen: boolean }): VNode {
  const [open, setOpen] = useState(startsOpen);
  const href = `/traces/${trace.otelTraceId ?? trace.id}`;
  return (
    <section class="card" aria-label={`Trace ${trace.id.slice(0, 8)}`}>
      <div class="card-head">
        <button
          type="button"
          class="fold"
          aria-expanded={open}
          aria-label={open ? 'Fold the trace' : 'Unfold the trace'}
          onClick={() => setOpen(!open)}
        />
        <h2>
          <a href={href} data-row>
            <Words text={trace.name} />
          </a>
        </h2>
        {trace.errors > 0 && <Failed count={trace.errors} />}
        <span class="head-facts">
          <span>{plural(trace.completions, 'completion')}</span>
          <Tokens {...trace} />
          <Duration millis={Math.max(0, trace.end - trace.start)} />
          <span class="muted">
            <Ago time={trace.start} />
          </span>
        </span>
      </div>
      {open && <TraceBody id={trace.id} />}
    </section>
  );
}

function TraceBody({ id }: { id: string }): VNode {
  const { data, error } = useView<Trace>(`traces/${id}`, changes('traces', id));
  if (error && !data) return <Problem error={error} what="trace" />;
  return data ? <Waterfall trace={data} /> : <Waiting />;
}

async function exportSession(session: Session): Promise<void> {
  try {
    const response = await request(`sessions/${session.id}/export`);
    saveFile(await response.blob(), `session-${session.id}.json`);
    toast(`Exported ${formatCount(session.completions)} completions and what belongs to them.`);
  } catch (error) {
    toast(error instanceof Error ? error.message : 'The session could not be exported.');
  }
}
