import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';
import type { SessionView as Session, TraceView as Trace } from '../../local/view-types.ts';
import { useView } from '../data/view.ts';
import { exactTime, plural } from '../model/format.ts';
import { linkTarget } from '../model/safe-url.ts';
import { copyText } from '../parts/copy.ts';
import { Crumbs } from '../parts/crumbs.tsx';
import { Ago, Duration, Failed, Tokens } from '../parts/figures.tsx';
import { Problem, Waiting } from '../parts/notice.tsx';
import { Words } from '../parts/text.tsx';
import { Waterfall } from '../parts/waterfall.tsx';
import { changes, sessionLabel } from './session.tsx';

export function TraceView({ id }: { id: string }): VNode {
  const asked = id.toLowerCase();
  const group = useRef<string>(undefined);
  const { data: trace, error } = useView<Trace>(`traces/${asked}`, changes('traces', group.current ?? asked));
  // Events name the group, the address perhaps the telemetry trace.
  group.current = trace?.id;
  const { data: session } = useView<Session>(
    trace && `sessions/${trace.session}`,
    changes('sessions', trace?.session),
  );
  if (error && !trace) return <Problem error={error} what="trace" />;
  if (!trace) return <Waiting />;
  const url = trace.url === undefined ? undefined : linkTarget(trace.url);
  return (
    <>
      <Crumbs
        crumbs={[
          { label: 'Sessions', href: '/' },
          {
            label: session ? sessionLabel(session) : trace.session.slice(0, 8),
            href: `/sessions/${trace.session}`,
          },
        ]}
        here={trace.name}
      />
      <div class="head">
        <h1 tabIndex={-1}>
          <span class="muted">Trace</span> <Words text={trace.name} />
        </h1>
        {trace.errors > 0 && <Failed count={trace.errors} />}
        <span class="head-facts">
          <span>{plural(trace.completions, 'completion')}</span>
          <Tokens {...trace} />
          <Duration millis={Math.max(0, trace.end - trace.start)} />
          <span class="muted" title={exactTime(trace.start)}>
            <Ago time={trace.start} />
          </span>
        </span>
        <span class="head-actions">
          {url !== undefined && (
            <a href={url} target="_blank" rel="noopener noreferrer nofollow" class="button">
              Dashboard
            </a>
          )}
          <button
            type="button"
            class="button"
            onClick={() => void copyText(trace.otelTraceId ?? trace.id, 'the trace id')}
          >
            Copy id
          </button>
        </span>
      </div>
      <section class="card" aria-label="Waterfall">
        <Waterfall trace={trace} />
      </section>
    </>
  );
}
