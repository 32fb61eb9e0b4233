import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ServerStatus } from '../local/view-types.ts';
import { onKeyRefused, storedKey, storeKey } from './data/api.ts';
import { pickForCompare, usePicked } from './data/compare-pick.ts';
import { startKeyboard } from './data/keyboard.ts';
import { type Connection, onConnection, startLive, stopLive } from './data/live.ts';
import { type Place, usePlace } from './data/place.ts';
import { useTheme } from './data/theme.ts';
import { forgetAll, useView } from './data/view.ts';
import { pageFilter, withQuery } from './model/filter.ts';
import { plural } from './model/format.ts';
import { visibleText } from './model/visible-text.ts';
import { useSettled } from './parts/filter-bar.tsx';
import { Icon } from './parts/icons.tsx';
import { Menu } from './parts/menu.tsx';
import { Notice } from './parts/notice.tsx';
import { Toaster } from './parts/toast.tsx';
import { ChartsView } from './views/charts.tsx';
import { CompareView } from './views/compare.tsx';
import { DeleteDialog, FaultsDialog, HelpDialog, isFaulty, KeyForm } from './views/dialogs.tsx';
import { CompletionsView, SessionsView, search } from './views/lists.tsx';
import { RecordPage } from './views/record.tsx';
import { SessionView } from './views/session.tsx';
import { TraceView } from './views/trace.tsx';

type OpenDialog = 'faults' | 'delete' | 'help' | undefined;

export function App(): VNode {
  const place = usePlace();
  const [keyRefused, setKeyRefused] = useState(false);
  const [keyTried, setKeyTried] = useState(false);
  const [dialog, setDialog] = useState<OpenDialog>();
  const status = useView<ServerStatus>('status', ({ type }) => type !== 'resumed', true);
  const asksForKey = keyRefused || status.data?.keyNeeded === true;

  useEffect(
    () =>
      onKeyRefused(() => {
        setKeyTried(storedKey() !== undefined);
        setKeyRefused(true);
        stopLive();
      }),
    [],
  );
  useEffect(() => {
    if (status.data && !asksForKey) startLive();
  }, [status.data, asksForKey]);
  useEffect(() => startKeyboard({ help: () => setDialog('help') }), []);
  useTitle(place);

  function takeKey(key: string): void {
    storeKey(key);
    forgetAll();
    setKeyTried(true);
    setKeyRefused(false);
    status.reload();
  }

  return (
    <>
      <a href="#main" class="skip">
        Skip to the content
      </a>
      <Header place={place} status={status.data} hasList={!asksForKey} onOpen={setDialog} />
      {status.data && !asksForKey && isFaulty(status.data.faults) && (
        <FaultBanner status={status.data} onOpen={() => setDialog('faults')} />
      )}
      <main id="main" tabIndex={-1}>
        {asksForKey ? (
          <KeyForm refused={keyTried} onKey={takeKey} />
        ) : status.data ? (
          <CurrentView key={place.path} place={place} status={status.data} />
        ) : (
          status.error && (
            <Notice title="The server does not answer.">
              <p>{status.error.message}</p>
              <button type="button" class="button" onClick={status.reload}>
                Try again
              </button>
            </Notice>
          )
        )}
      </main>
      {status.data && !asksForKey && <Footer status={status.data} />}
      <PickBar path={place.path} />
      {dialog === 'faults' && <FaultsDialog onClose={() => setDialog(undefined)} onSaved={status.reload} />}
      {dialog === 'delete' && status.data && (
        <DeleteDialog status={status.data} onClose={() => setDialog(undefined)} />
      )}
      {dialog === 'help' && <HelpDialog onClose={() => setDialog(undefined)} />}
      <Toaster />
    </>
  );
}

function CurrentView({ place, status }: { place: Place; status: ServerStatus }): VNode {
  const [, level = '', id = '', rest] = place.path.split('/');
  if (place.path === '/') return <SessionsView status={status} />;
  if (place.path === '/completions') return <CompletionsView status={status} />;
  if (place.path === '/charts') return <ChartsView status={status} />;
  if (place.path === '/compare') return <CompareView />;
  if (id !== '' && rest === undefined) {
    if (level === 'sessions') return <SessionView id={id.toLowerCase()} />;
    if (level === 'traces') return <TraceView id={id} />;
    if (level === 'completions') return <RecordPage kind="completion" id={id} />;
    if (level === 'records') return <RecordPage kind="trace" id={id} />;
  }
  return (
    <Notice title="There is no such page.">
      <p>
        <a href="/" data-up>
          All sessions
        </a>
      </p>
    </Notice>
  );
}

const LISTS: readonly (readonly [path: string, label: string])[] = [
  ['/', 'Sessions'],
  ['/completions', 'Completions'],
  ['/charts', 'Charts'],
];

interface HeaderProps {
  readonly place: Place;
  readonly status: ServerStatus | undefined;
  readonly hasList: boolean;
  onOpen(dialog: OpenDialog): void;
}

function Header({ place, status, hasList, onOpen }: HeaderProps): VNode {
  const [theme, nextTheme] = useTheme();
  const filters = pageFilter(place.query);
  return (
    <header class="top">
      <a href="/" class="brand" aria-label="freeplay-otel local, all sessions">
        <Logo />
        <span>freeplay-otel</span>
      </a>
      {hasList && (
        <>
          <nav class="lists" aria-label="Lists">
            {LISTS.map(([path, label]) => (
              <a
                key={path}
                href={withQuery(path, filters)}
                {...(isWithin(place.path, path)
                  ? { 'aria-current': place.path === path ? 'page' : 'true' }
                  : {})}
              >
                {label}
              </a>
            ))}
          </nav>
          <SearchField place={place} />
          <ConnectionSign />
          <button
            type="button"
            class="button plain"
            title={`Colours: ${theme === 'auto' ? 'as the system' : theme}`}
            aria-label={`Colours: ${theme === 'auto' ? 'as the system' : theme}. Change`}
            onClick={nextTheme}
          >
            <Icon name={theme === 'auto' ? 'auto' : theme === 'light' ? 'sun' : 'moon'} />
          </button>
          <Menu
            label="More"
            plain
            items={[
              { label: 'Pretend to fail …', onChoose: () => onOpen('faults') },
              { label: 'Keyboard', hint: '?', onChoose: () => onOpen('help') },
              {
                label: 'Delete all …',
                danger: true,
                ...(status && { hint: plural(status.records, 'record') }),
                onChoose: () => onOpen('delete'),
              },
            ]}
          >
            <Icon name="menu" />
          </Menu>
        </>
      )}
    </header>
  );
}

function isWithin(path: string, list: string): boolean {
  if (list === '/') return path === '/' || /^\/(sessions|traces|records)\//.test(path);
  return path === list || path.startsWith(`${list}/`);
}

function Logo(): VNode {
  return (
    <svg viewBox="0 0 20 20" class="logo" aria-hidden="true">
      <rect x="1" y="3" width="12" height="3.4" rx="1.7" />
      <rect x="5" y="8.3" width="14" height="3.4" rx="1.7" />
      <rect x="3" y="13.6" width="8" height="3.4" rx="1.7" />
    </svg>
  );
}

function SearchField({ place }: { place: Place }): VNode {
  const isList = LISTS.some(([path]) => path === place.path);
  const value = isList ? (place.query.get('text') ?? '') : '';
  const [text, setText] = useSettled(value, (next) => isList && search(next, place.path));
  return (
    <search class="search">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          search(text, place.path);
        }}
      >
        <Icon name="search" />
        <input
          id="search"
          type="search"
          placeholder="Search messages, models, errors"
          aria-label="Search messages, models, agents and errors"
          autocomplete="off"
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <span class="key" aria-hidden="true">
          /
        </span>
      </form>
    </search>
  );
}

const CONNECTION_WORDS: Readonly<Record<Connection, string>> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'disconnected',
};

function ConnectionSign(): VNode {
  const [connection, setConnection] = useState<Connection>('connecting');
  useEffect(() => onConnection(setConnection), []);
  return (
    <span
      class={`connection ${connection}`}
      role="status"
      title={
        connection === 'lost'
          ? 'The server does not answer; the page tries again'
          : 'New records appear by themselves'
      }
    >
      <span class="dot" />
      {CONNECTION_WORDS[connection]}
    </span>
  );
}

function FaultBanner({ status: { faults }, onOpen }: { status: ServerStatus; onOpen(): void }): VNode {
  const words = [
    ...(faults.percent > 0
      ? [`${faults.percent} % of recording requests are answered with ${faults.status}`]
      : []),
    ...(faults.latencyMillis > 0 ? [`every answer waits ${faults.latencyMillis} ms`] : []),
  ].join(', ');
  return (
    <div class="banner">
      <span>The server pretends to fail: {words}.</span>
      <button type="button" class="button" onClick={onOpen}>
        Change
      </button>
    </div>
  );
}

/** Where the records are, and how many of them had to go. */
function Footer({
  status: { version, records, location, dropped, droppedReceipts },
}: {
  status: ServerStatus;
}): VNode {
  return (
    <footer class="muted small">
      <span>freeplay-otel {version}</span>
      <span class="break">
        {plural(records, 'record')} in {visibleText(location)}
      </span>
      {dropped > 0 && <span>{plural(dropped, 'older one')} let go of to stay within the bounds</span>}
      {droppedReceipts !== undefined && droppedReceipts > 0 && (
        <span>{plural(droppedReceipts, 'receipt')} let go of</span>
      )}
    </footer>
  );
}

function PickBar({ path }: { path: string }): VNode | null {
  const picked = usePicked();
  if (picked === undefined || path === '/compare') return null;
  return (
    <div class="floating" role="status">
      <span>
        Comparing{' '}
        <a href={`/completions/${picked}`} class="mono">
          {visibleText(picked.slice(0, 8))}
        </a>
        : open another completion and press Compare.
      </span>
      <button type="button" class="button plain" onClick={() => pickForCompare(undefined)}>
        Cancel
      </button>
    </div>
  );
}

/** After going somewhere, the title says where, and the focus is where reading begins. */
function useTitle({ path }: Place): void {
  const isFirst = useRef(true);
  useEffect(() => {
    const [, level = '', id = ''] = path.split('/');
    const name =
      LISTS.find(([list]) => list === path)?.[1] ??
      (level === 'compare' ? 'Compare' : level.replace(/s$/, ''));
    document.title = `${[name, visibleText(id.slice(0, 8))].filter(Boolean).join(' ')} · freeplay-otel`;
    if (isFirst.current) {
      isFirst.current = false;
      return;
    }
    // A row that got its focus back keeps it.
    if (document.activeElement === document.body || document.activeElement === null)
      document.getElementById('main')?.focus({ preventScroll: true });
  }, [path]);
}
