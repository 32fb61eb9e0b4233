/**
 * The global objects through which every copy of `@opentelemetry/api` finds what another copy registered. Watching these, and not the
 * functions of one copy, is what makes it no matter how many copies there are, whether they are CJS or ESM, or when they are loaded.
 *
 * `registerGlobal` of the API, in all its 1.x versions, does four things in this order: it assigns the object to `globalThis` (again, if
 * there is one), reads the slot to see that it is empty, compares versions, assigns the slot. So the assignment announces a registration,
 * and the next access to a slot tells which one: that is how a slot that we hold can look empty to those who register, and to them only.
 */

const API: unique symbol = Symbol.for('opentelemetry.js.api.1');
/** `@opentelemetry/api-logs` before it moved into the API. */
const LOGS_API: unique symbol = Symbol.for('io.opentelemetry.js.api.logs');
/** The version that `@opentelemetry/api-logs` asks its global for, in every release so far. */
const LOGS_API_VERSION = 1;

export type SlotName = 'trace' | 'context' | 'propagation' | 'metrics' | 'diag' | 'logs';
const SLOTS: readonly SlotName[] = ['trace', 'context', 'propagation', 'metrics', 'diag', 'logs'];

export interface ProviderListener {
  onTracerProvider(provider: object): void;
  onLoggerProvider(provider: object): void;
  /** The app has another version of the API than what we registered with, and its registration failed. */
  onRefused(): void;
}

export interface ApiGlobals {
  isEmpty(slot: SlotName): boolean;
  /** What `run` registers is ours: it steps aside, without an error, for anyone who registers later. */
  lend(run: () => void): void;
  /** What `run` registers is handed back and registered nowhere. The tracer provider itself is under `trace`. */
  capture(run: () => void): ReadonlyMap<SlotName, object>;
}

interface Slot {
  value: unknown;
  /** Registered by us: steps aside. */
  lent: boolean;
}

interface TracerProviderProxy {
  setDelegate(delegate: object): void;
  readonly _delegate?: unknown;
}

type Registry = { [slot in SlotName]?: unknown };
type Globals = { [API]?: Registry | undefined; [LOGS_API]?: unknown };

/** @param listener is told of every provider that is registered, and of those that already are */
export function watchApiGlobals(listener: ProviderListener): ApiGlobals {
  const globals = globalThis as Globals;
  const slots = new WeakMap<object, Map<SlotName, Slot>>();
  const proxies = new WeakSet<object>();
  let registry: Registry | undefined;
  let logsGetter: unknown;
  let isAnnounced = false;
  /** A slot of ours has been shown as empty: an assignment follows, or the versions differ. */
  let isYielding = false;
  let lending = false;
  let captured: Map<SlotName, object> | undefined;

  /** What the app registers next works, if all that is registered is ours. */
  function onRefused(): void {
    isYielding = false;
    const known = [...((registry && slots.get(registry)) ?? new Map<SlotName, Slot>()).values()];
    if (known.every((slot) => slot.lent || slot.value === undefined)) registry = undefined;
    try {
      listener.onRefused();
    } catch {
      // As below.
    }
  }

  function tell(name: 'onTracerProvider' | 'onLoggerProvider', provider: unknown): void {
    if (lending || captured || !isObject(provider)) return;
    try {
      listener[name](provider);
    } catch {
      // The app is registering its SDK: nothing of ours may disturb that.
    }
  }

  function onTracerProvider(provider: unknown): void {
    if (!isProxy(provider)) return tell('onTracerProvider', provider);
    watchProxy(provider);
    if (provider._delegate !== undefined) onTracerProvider(provider._delegate);
  }

  /** The API puts its proxy into the slot, and the provider into the proxy right after. */
  function watchProxy(proxy: TracerProviderProxy): void {
    if (proxies.has(proxy)) return;
    proxies.add(proxy);
    const setDelegate = proxy.setDelegate;
    proxy.setDelegate = (delegate) => {
      if (captured) {
        captured.set('trace', delegate);
        return;
      }
      setDelegate.call(proxy, delegate);
      onTracerProvider(delegate);
    };
  }

  function onAssigned(name: SlotName, value: unknown): void {
    if (name === 'logs') tell('onLoggerProvider', value);
    if (name !== 'trace') return;
    if (isProxy(value)) watchProxy(value);
    else onTracerProvider(value);
  }

  function watchSlot(api: Registry, name: SlotName): void {
    const known = slots.get(api) ?? new Map<SlotName, Slot>();
    slots.set(api, known);
    // `disable()` deletes the slot, and with it what was put here.
    if (known.has(name) && Object.hasOwn(api, name)) return;
    const slot: Slot = { value: api[name], lent: false };
    known.set(name, slot);
    Object.defineProperty(api, name, {
      configurable: true,
      enumerable: true,
      get: () => {
        if (isYielding) onRefused();
        const isCheck = isAnnounced;
        isAnnounced = false;
        isYielding = isCheck && slot.lent;
        return isYielding ? undefined : slot.value;
      },
      set: (value: unknown) => {
        isAnnounced = false;
        isYielding = false;
        if (captured && name !== 'diag') {
          if (isObject(value) && !isProxy(value)) captured.set(name, value);
          if (isProxy(value)) watchProxy(value);
          return;
        }
        slot.lent = lending;
        slot.value = value;
        onAssigned(name, value);
      },
    });
  }

  function watchRegistry(api: Registry | undefined): void {
    registry = api;
    if (isObject(api)) for (const name of SLOTS) watchSlot(api, name);
  }

  function onLogsGetter(getter: unknown): void {
    if (typeof getter === 'function') tell('onLoggerProvider', getter(LOGS_API_VERSION));
  }

  function install(): void {
    watchRegistry(globals[API]);
    logsGetter = globals[LOGS_API];
    Object.defineProperty(globals, API, {
      configurable: true,
      enumerable: true,
      get: () => registry,
      set: (api: Registry | undefined) => {
        watchRegistry(api);
        isAnnounced = true;
      },
    });
    Object.defineProperty(globals, LOGS_API, {
      configurable: true,
      enumerable: true,
      get: () => logsGetter,
      set: (getter: unknown) => {
        if (captured) return;
        logsGetter = getter;
        onLogsGetter(getter);
      },
    });
    if (registry?.trace !== undefined) onTracerProvider(registry.trace);
    if (registry?.logs !== undefined) tell('onLoggerProvider', registry.logs);
    onLogsGetter(logsGetter);
  }

  install();
  return {
    isEmpty: (slot) => registry?.[slot] === undefined,
    lend(run) {
      lending = true;
      try {
        run();
      } finally {
        lending = false;
      }
    },
    capture(run) {
      const found = new Map<SlotName, object>();
      captured = found;
      try {
        run();
      } finally {
        captured = undefined;
      }
      return found;
    },
  };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isProxy(value: unknown): value is TracerProviderProxy {
  return isObject(value) && typeof (value as { setDelegate?: unknown }).setDelegate === 'function';
}
