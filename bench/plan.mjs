/** What is measured: contenders, and the sections of a run. */

/**
 * @typedef {object} Contender
 * @property {string} label
 * @property {string} module In `contenders/`.
 * @property {'completions' | 'all'} records Posts of the two kinds of ours, and of the raw contenders beside them.
 * @property {boolean} posts Whether it makes a request of each record, which the sink can count.
 * @property {string} raw The raw contender that posts the same number of bodies.
 */

export const OURS = 'processor';
export const PROTOBUF = 'otlp-protobuf';
export const SDK = 'freeplay-sdk';
export const RAW = 'raw';

/** @type {Record<string, Contender>} */
export const CONTENDERS = {
  [RAW]: contender('raw undici, bodies ready', 'raw-undici', { posts: true }),
  [PROTOBUF]: contender('OTLP/protobuf exporter', 'otlp-protobuf'),
  'otlp-json': contender('OTLP/JSON exporter', 'otlp-json'),
  [SDK]: contender('Freeplay SDK', 'freeplay-sdk', { posts: true }),
  [OURS]: contender('**FreeplaySpanProcessor**, `"completions"`', 'processor', { posts: true }),
  exporter: contender('**FreeplaySpanExporter**, `"completions"`', 'exporter', { posts: true }),
  'raw-all': contender('raw undici, bodies of `"all"` ready', 'raw-undici', {
    posts: true,
    records: 'all',
    raw: 'raw-all',
  }),
  'processor-all': contender('**FreeplaySpanProcessor**, `"all"`', 'processor', {
    posts: true,
    records: 'all',
    raw: 'raw-all',
  }),
};

/** @param {string} label @param {string} module @param {Partial<Contender>} [more] @returns {Contender} */
function contender(label, module, more) {
  return { label, module, records: 'completions', posts: false, raw: RAW, ...more };
}

/** Requests at once, of the contenders that have to be told: the best for the raw one, the ceiling of ours on a slow server. */
const IN_FLIGHT = 16;
const IN_FLIGHT_SLOW = 64;
const SLOW_MILLIS = 50;
/** Model calls offered in a second where the rate is fixed. */
const OFFERED_CALLS = 1_000;
const SPANS_PER_CALL = 2.5;

/** What comes in, through the gateway and through a Collector. @type {readonly (readonly [row: string, job: object])[]} */
const GATEWAY_RUNS = [
  ['gateway, protobuf', { target: 'gateway', encoding: 'protobuf', gzip: false }],
  ['gateway, protobuf in gzip', { target: 'gateway', encoding: 'protobuf', gzip: true }],
  ['gateway, JSON', { target: 'gateway', encoding: 'json', gzip: false }],
  ['Collector, protobuf', { target: 'collector', encoding: 'protobuf', gzip: false }],
  ['Collector, protobuf in gzip', { target: 'collector', encoding: 'protobuf', gzip: true }],
  ['Collector, JSON', { target: 'collector', encoding: 'json', gzip: false }],
];

/**
 * @typedef {object} Settings
 * @property {number} rounds
 * @property {number} warmMillis
 * @property {Record<'S' | 'M' | 'L', number>} spans
 * @property {readonly number[]} growth Spans.
 * @property {number} offeredSeconds
 * @property {number} gatewayRequests Of 510 spans each.
 * @property {number} stored Completions in the store of `freeplay-otel local`.
 * @property {number} budgetMillis Second rounds and repeats fit into it: each section has its share.
 * @property {number} quietMillis Longest wait for a quiet moment before a run.
 */

/** @type {Settings} */
export const FULL = {
  rounds: 3,
  // Shorter runs are mostly warm-up: compiled code and the size of the heap settle after some ten thousand posts.
  warmMillis: 4_000,
  spans: { S: 20_000, M: 20_000, L: 4_000 },
  growth: [1_000, 20_000, 100_000],
  offeredSeconds: 6,
  gatewayRequests: 40,
  stored: 100_000,
  budgetMillis: 900_000,
  quietMillis: 3_000,
};

/** @type {Settings} */
export const QUICK = {
  rounds: 1,
  warmMillis: 1_000,
  spans: { S: 6_000, M: 6_000, L: 1_500 },
  growth: [20_000, 100_000],
  offeredSeconds: 3,
  gatewayRequests: 10,
  stored: 10_000,
  budgetMillis: 60_000,
  quietMillis: 500,
};

/**
 * @typedef {object} Run
 * @property {string} row
 * @property {string} [contender]
 * @property {string} script
 * @property {Record<string, unknown>} job
 *
 * @typedef {object} Section
 * @property {string} id
 * @property {number} latencyMillis
 * @property {number} rounds
 * @property {Run[]} runs
 */

/**
 * @param {Settings} settings
 * @param {{ isQuick: boolean, only: readonly string[] | undefined }} options
 * @returns {Section[]}
 */
export function planOf(settings, { isQuick, only }) {
  const { rounds, warmMillis, spans } = settings;
  const chosen = (/** @type {string[]} */ names) =>
    names.filter((name) => only === undefined || only.includes(name));
  /** @returns {Run} */
  const run = (/** @type {string} */ name, /** @type {object} */ more, row = name) => ({
    row,
    contender: name,
    script: 'measure.mjs',
    job: {
      module: CONTENDERS[name].module,
      records: CONTENDERS[name].records,
      rate: 0,
      warmMillis,
      inFlight: IN_FLIGHT,
      ...more,
    },
  });
  const everyone = Object.keys(CONTENDERS);
  const peers = isQuick ? [RAW, PROTOBUF, OURS] : everyone.filter((name) => name !== 'exporter');
  const inQuick = isQuick ? everyone.filter((name) => name !== 'exporter') : everyone;
  const slow = isQuick ? [] : [RAW, PROTOBUF, SDK, OURS];
  const grown = isQuick ? [OURS] : [PROTOBUF, OURS];

  return [
    .../** @type {const} */ (['S', 'M', 'L']).map((size) => ({
      id: size,
      latencyMillis: 0,
      rounds,
      runs: chosen(size === 'M' ? inQuick : peers).map((name) => run(name, { size, spans: spans[size] })),
    })),
    {
      id: 'slow',
      latencyMillis: SLOW_MILLIS,
      rounds: Math.min(2, rounds),
      runs: chosen(slow).map((name) => run(name, { size: 'M', spans: spans.M, inFlight: IN_FLIGHT_SLOW })),
    },
    {
      id: 'offered',
      latencyMillis: SLOW_MILLIS,
      rounds: Math.min(2, rounds),
      runs: chosen([OURS]).map((name) => {
        const rate = OFFERED_CALLS * SPANS_PER_CALL;
        return run(name, { size: 'M', spans: rate * settings.offeredSeconds, rate });
      }),
    },
    {
      id: 'growth',
      latencyMillis: 0,
      rounds: 1,
      runs: settings.growth.flatMap((count) =>
        chosen(grown).map((name) => run(name, { size: 'M', spans: count }, `${name} ${count}`)),
      ),
    },
    {
      id: 'profile',
      latencyMillis: 0,
      rounds,
      runs: (isQuick ? [] : /** @type {const} */ (['S', 'M', 'L'])).flatMap((size) =>
        chosen([OURS]).map((name) => run(name, { size, spans: spans[size], profile: true }, size)),
      ),
    },
    {
      id: 'conversion',
      latencyMillis: 0,
      rounds: 1,
      runs: (isQuick ? ['M'] : ['S', 'M', 'L']).map((size) => ({
        row: size,
        script: 'measure-conversion.mjs',
        job: {
          size,
          spans: size === 'L' ? 510 : 2_040,
          withSpanLife: size === 'M',
          repeats: isQuick ? 4 : 9,
          warmMillis: isQuick ? 300 : 600,
        },
      })),
    },
    {
      id: 'local',
      latencyMillis: 0,
      rounds: 1,
      runs: /** @type {const} */ (['folder', 'memory']).map((where) => ({
        row: where,
        script: 'local-store.mjs',
        // To fill it is most of the time, and not what is measured.
        job: { where, completions: settings.stored, repeats: isQuick ? 5 : 9, limitMillis: 300_000 },
      })),
    },
    {
      id: 'gateway',
      latencyMillis: 0,
      rounds: Math.min(2, rounds),
      runs:
        isQuick || only !== undefined
          ? []
          : GATEWAY_RUNS.map(([row, job]) => ({
              row,
              script: 'gateway.mjs',
              job: {
                size: 'M',
                requests: settings.gatewayRequests,
                collector: process.env.FREEPLAY_OTEL_COLLECTOR,
                ...job,
              },
            })),
    },
  ].filter((section) => section.runs.length > 0);
}
