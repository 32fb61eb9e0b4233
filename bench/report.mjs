/** What was measured → tables and verdicts. */

import { CONTENDERS, OURS, PROTOBUF, RAW, SDK } from './plan.mjs';
import { PROFILE_PARTS } from './profile.mjs';

/**
 * Rows by section and name; a row that could not be measured has `failed`.
 *
 * @typedef {Record<string, Record<string, Record<string, any>>>} Results
 */

/**
 * @typedef {object} Check
 * @property {string} what
 * @property {(results: Results) => number | undefined} value
 * @property {number} must
 * @property {number} goal
 * @property {boolean} [atLeast] The value is to be at least that, else at most.
 * @property {string} [unit]
 */

/** @type {readonly Check[]} */
const CHECKS = [
  {
    what: 'M: CPU of a model call, ÷ OTLP/protobuf',
    value: beside('M', 'cpuMicrosPerCall', PROTOBUF),
    must: 0.95,
    goal: 0.8,
  },
  {
    what: 'L: CPU of a model call, ÷ OTLP/protobuf',
    value: beside('L', 'cpuMicrosPerCall', PROTOBUF),
    must: 0.65,
    goal: 0.5,
  },
  {
    what: 'S: CPU of a model call, ÷ OTLP/protobuf',
    value: beside('S', 'cpuMicrosPerCall', PROTOBUF),
    must: 2,
    goal: 1.7,
  },
  {
    what: 'M: CPU of a model call, ÷ Freeplay SDK',
    value: beside('M', 'cpuMicrosPerCall', SDK),
    must: 0.22,
    goal: 0.17,
  },
  {
    what: 'M: model calls in a second, ÷ raw undici',
    value: beside('M', 'callsPerSecond', RAW),
    must: 0.6,
    goal: 0.75,
    atLeast: true,
  },
  {
    what: 'M: conversion alone, ÷ protobuf serialiser',
    value: (results) => quotient(results.conversion?.M?.completions, results.conversion?.M?.protobuf),
    must: 0.4,
    goal: 0.25,
  },
  {
    what: 'a span that is not GenAI, converted',
    value: (results) => results.conversion?.M?.plainConversion,
    must: 1,
    goal: 0.3,
    unit: 'µs',
  },
  {
    what: 'M: loop delay p99, ÷ OTLP/protobuf',
    value: beside('M', 'delayP99', PROTOBUF),
    must: 0.1,
    goal: 0.05,
  },
  { what: 'M: loop delay p99', value: of('M', OURS, 'delayP99'), must: 12, goal: 8, unit: 'ms' },
  {
    what: 'memory grown by after 20,000 spans',
    value: of('growth', `${OURS} 20000`, 'memoryMb'),
    must: 60,
    goal: 40,
    unit: 'MB',
  },
  {
    what: 'memory grown by after 100,000 spans',
    value: of('growth', `${OURS} 100000`, 'memoryMb'),
    must: 200,
    goal: 120,
    unit: 'MB',
  },
  {
    what: '1,000 model calls a second, 50 ms server: share of a core',
    value: of('offered', OURS, 'cpuShare'),
    must: 0.35,
    goal: 0.28,
  },
  {
    what: '1,000 model calls a second, 50 ms server: delivered',
    value: of('offered', OURS, 'delivered'),
    must: 1,
    goal: 1,
    atLeast: true,
  },
  ...['folder', 'memory'].map((where) => ({
    what: `freeplay-otel local, ${where}: the page's slowest question`,
    value: of('local', where, 'slowestMillis'),
    must: 200,
    goal: 100,
    unit: 'ms',
  })),
];

/** @param {string} section @param {string} row @param {string} column @returns {(results: Results) => number | undefined} */
function of(section, row, column) {
  return (results) => results[section]?.[row]?.[column];
}

/** Ours divided by another contender. @param {string} section @param {string} column @param {string} other */
function beside(section, column, other) {
  return (/** @type {Results} */ results) =>
    quotient(of(section, OURS, column)(results), of(section, other, column)(results));
}

/** @param {number | undefined} a @param {number | undefined} b */
function quotient(a, b) {
  return a === undefined || b === undefined ? undefined : a / b;
}

/** @typedef {{ what: string, value: number | undefined, must: number, goal: number, atLeast: boolean, unit: string, verdict: 'goal' | 'ok' | 'FAILS' | 'not measured' }} Verdict */

/** @param {Results} results @returns {Verdict[]} */
export function judge(results) {
  return CHECKS.map(({ what, value: read, must, goal, atLeast = false, unit = '' }) => {
    const value = read(results);
    const meets = (/** @type {number} */ limit) =>
      value !== undefined && (atLeast ? value >= limit : value <= limit);
    const verdict =
      value === undefined || Number.isNaN(value)
        ? 'not measured'
        : meets(goal)
          ? 'goal'
          : meets(must)
            ? 'ok'
            : 'FAILS';
    return { what, value, must, goal, atLeast, unit, verdict };
  });
}

/**
 * Records of ours that did not arrive exactly once, runs that failed: whatever the figures, these make them worthless.
 *
 * @param {Results} results
 * @returns {string[]}
 */
export function findLosses(results) {
  return Object.entries(results).flatMap(([section, rows]) =>
    Object.entries(rows).flatMap(([name, row]) => {
      const where = `${section}, ${name}`;
      if (row.failed !== undefined) return [`${where}: ${row.failed}`];
      const problems = (row.problems ?? []).map((/** @type {string} */ text) => `${where}: ${text}`);
      if (row.delivered !== undefined && row.delivered !== 1)
        problems.push(`${where}: delivered ${row.delivered.toFixed(4)} of the records`);
      return problems;
    }),
  );
}

const SECTIONS = {
  S: 'S: about 1 KB of messages, as fast as the server takes them',
  M: 'M: about 6 KB of messages, as fast as the server takes them',
  L: 'L: about 60 KB of messages, as fast as the server takes them',
  slow: 'M, a server that takes 50 ms to answer',
  offered: 'M, 1,000 model calls a second offered, a server that takes 50 ms to answer',
};

/** @param {Results} results @param {string} heading Where and when, in a line. */
export function renderReport(results, heading) {
  const parts = [heading];
  for (const [id, title] of Object.entries(SECTIONS)) {
    const rows = results[id];
    if (rows) parts.push(`### ${title}`, renderContenders(rows));
  }
  if (results.growth) parts.push('### Growth: M, one process', renderGrowth(results.growth));
  if (results.profile) parts.push('### Where the time goes', renderProfile(results.profile));
  if (results.conversion) parts.push('### Without a network', renderConversion(results.conversion));
  if (results.gateway)
    parts.push(
      '### `freeplay-otel gateway`, beside a Collector that passes the same requests on',
      renderGateway(results.gateway),
    );
  if (results.local)
    parts.push('### `freeplay-otel local`: what the page waits for', renderLocal(results.local));
  parts.push('### Limits', renderVerdicts(judge(results)));
  return parts.join('\n\n');
}

/** @param {Record<string, Record<string, any>>} rows */
function renderContenders(rows) {
  return table(
    [
      'contender',
      'CPU µs a span',
      'CPU µs a call',
      '× raw',
      '× protobuf',
      'calls/s',
      '÷ raw',
      'share of a core',
      'loop p50 / p99 / max ms',
      'memory + MB',
      'sent MB',
      'requests',
      'delivered',
      'waited',
    ],
    Object.entries(rows).map(([name, row]) => {
      const { label, raw } = CONTENDERS[name];
      if (row.failed !== undefined) return [label, 'failed'];
      return [
        label,
        fixed(row.cpuMicrosPerSpan, 1),
        fixed(row.cpuMicrosPerCall, 1),
        fixed(quotient(row.cpuMicrosPerCall, rows[raw]?.cpuMicrosPerCall), 2),
        fixed(quotient(row.cpuMicrosPerCall, rows[PROTOBUF]?.cpuMicrosPerCall), 2),
        fixed(row.callsPerSecond, 0),
        fixed(quotient(row.callsPerSecond, rows[raw]?.callsPerSecond), 2),
        fixed(row.cpuShare, 2),
        `${fixed(row.delayP50, 1)} / ${fixed(row.delayP99, 1)} / ${fixed(row.delayMax, 0)}`,
        fixed(row.memoryMb, 0),
        fixed(row.sentMb, 1),
        fixed(row.requests, 0),
        fixed(row.delivered, 3),
        fixed(row.waitShare, 2),
      ];
    }),
  );
}

/** @param {Record<string, Record<string, any>>} rows */
function renderGrowth(rows) {
  return table(
    ['contender', 'spans', 'CPU µs a call', 'calls/s', 'loop p99 ms', 'memory + MB', 'delivered'],
    Object.entries(rows).map(([name, row]) => {
      const { label } = CONTENDERS[name.split(' ')[0]];
      if (row.failed !== undefined) return [label, name.split(' ')[1], 'failed'];
      return [
        label,
        row.spans.toLocaleString('en'),
        fixed(row.cpuMicrosPerCall, 1),
        fixed(row.callsPerSecond, 0),
        fixed(row.delayP99, 1),
        fixed(row.memoryMb, 0),
        fixed(row.delivered, 3),
      ];
    }),
  );
}

/** @param {Record<string, Record<string, any>>} rows */
function renderProfile(rows) {
  const sizes = Object.keys(rows);
  const micros = (/** @type {string} */ part) => sizes.map((size) => fixed(rows[size][part], 1));
  return table(
    ['CPU µs of a call', ...sizes],
    [...PROFILE_PARTS.map((part) => [part, ...micros(part)]), ['all', ...micros('cpuMicrosPerCall')]],
  );
}

/** @param {Record<string, Record<string, any>>} rows */
function renderConversion(rows) {
  const sizes = Object.entries(rows).filter(([, row]) => row.failed === undefined);
  const conversion = table(
    [
      'CPU µs a model call',
      'protobuf serialiser',
      'JSON serialiser',
      'ours, `"completions"`',
      'ours, `"all"`',
      '`"completions"` × protobuf',
    ],
    sizes.map(([size, row]) => [
      size,
      fixed(row.protobuf, 1),
      fixed(row.json, 1),
      fixed(row.completions, 1),
      fixed(row.all, 1),
      fixed(quotient(row.completions, row.protobuf), 2),
    ]),
  );
  const [, row] = sizes.find(([size]) => size === 'M') ?? [];
  if (!row) return conversion;
  const { plainConversion, plainLife, callLife } = row;
  const cells = (/** @type {string} */ path, /** @type {string} */ later) =>
    [plainLife?.[path], plainLife?.[later], callLife?.[path], callLife?.[later]].map((value) =>
      fixed(value, 2),
    );
  const life = table(
    [
      'CPU µs',
      'plain span: start and end',
      'later',
      'model call and what is around it: start and end',
      'later',
    ],
    [
      ['the spans themselves, with no processor', ...cells('itself', '')],
      ['`BatchSpanProcessor` with an exporter that does nothing', ...cells('batchPath', 'batchLater')],
      ['**FreeplaySpanProcessor**, `"all"`', ...cells('path', 'later')],
      ['`convertSpans`', '–', fixed(plainConversion, 2), '–', '–'],
    ],
  );
  return `${conversion}\n\n${life}`;
}

/** @param {Record<string, Record<string, any>>} rows */
function renderGateway(rows) {
  return table(
    [
      'M, requests of 510 spans',
      'spans/s of a core',
      'CPU µs a span',
      'memory MB',
      'sent MB',
      'requests',
      'delivered',
    ],
    Object.entries(rows).map(([name, row]) => {
      if (row.failed !== undefined) return [name, 'failed'];
      if (row.absent !== undefined) return [name, row.absent];
      return [
        name,
        fixed(row.spansPerCore, 0),
        fixed(row.cpuMicrosPerSpan, 1),
        fixed(row.memoryMb, 0),
        fixed(row.sentMb, 1),
        fixed(row.requests, 0),
        fixed(row.delivered, 3),
      ];
    }),
  );
}

/** @param {Record<string, Record<string, any>>} rows */
function renderLocal(rows) {
  const measured = Object.entries(rows).filter(([, row]) => row.failed === undefined);
  const stores = table(
    ['', 'completions', 'records', 'KB each', 'records/s in', 'opened in ms', 'memory + MB', 'on disk MB'],
    measured.map(([where, row]) => [
      row.sqlite ? `${where}, ${row.sqlite}` : where,
      fixed(row.completions, 0),
      fixed(row.records, 0),
      fixed(row.recordKb, 1),
      fixed(row.recordsPerSecond, 0),
      fixed(row.openMillis ?? undefined, 0),
      fixed(row.memoryMb, 0),
      fixed(row.diskMb ?? undefined, 0),
    ]),
  );
  const questions = [...new Set(measured.flatMap(([, row]) => Object.keys(row.millis ?? {})))];
  const answers = table(
    ['ms, median', ...measured.map(([where]) => where)],
    questions.map((question) => [question, ...measured.map(([, row]) => fixed(row.millis?.[question], 1))]),
  );
  return `${stores}\n\n${answers}`;
}

/** @param {Verdict[]} verdicts */
export function renderVerdicts(verdicts) {
  return table(
    ['', 'measured', 'must', 'goal', ''],
    verdicts.map(({ what, value, must, goal, atLeast, unit, verdict }) => {
      const sign = atLeast ? '≥' : '≤';
      const withUnit = (/** @type {number} */ number) => `${sign} ${number}${unit && ` ${unit}`}`;
      return [what, fixed(value, 2), withUnit(must), withUnit(goal), verdict];
    }),
  );
}

/** @param {string[]} head @param {string[][]} rows */
function table(head, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${head.map((_, i) => cells[i] ?? '').join(' | ')} |`;
  return [
    line(head),
    `|${head.map((_, i) => (i === 0 ? ' --- |' : ' ---: |')).join('')}`,
    ...rows.map(line),
  ].join('\n');
}

/** @param {number | undefined} value @param {number} digits */
function fixed(value, digits) {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits);
}

const BEGIN = '<!-- bench: begin -->';
const END = '<!-- bench: end -->';

/** The page with the report between its markers. @param {string} page @param {string} report */
export function insertReport(page, report) {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`the page has no markers ${BEGIN} and ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${report}\n\n${page.slice(end)}`;
}
