/** What the environment tells the SDK to leave out or cut off. */
import { plainText } from '../../local/terminal-text.ts';
import { type BatchLimits, judgeBatches, SDK_LIMITS } from './batches.ts';
import { type Environment, type Finding, setting } from './finding.ts';

const section = 'Sampling and limits';

export function checkSampling(env: Environment): readonly Finding[] {
  return [samplerFinding(env), ...limitFindings(env), batchFinding(env)];
}

function samplerFinding(env: Environment): Finding {
  const about = { id: 'sampling.sampler', section, subject: 'sampler' } as const;
  const name = setting(env, 'OTEL_TRACES_SAMPLER');
  if (name === undefined)
    return {
      ...about,
      status: 'ok',
      finding: 'the environment names none: every trace, unless code says otherwise',
    };
  const shown = `OTEL_TRACES_SAMPLER is ${plainText(name, 60)}`;
  const fix =
    'for model calls: OTEL_TRACES_SAMPLER=parentbased_always_on, and let a Collector sample for the other backends';
  if (/always_off/.test(name))
    return { ...about, status: 'fail', finding: `${shown}: nothing is recorded`, fix };
  if (/traceidratio/.test(name))
    return ratioFinding(about, shown, setting(env, 'OTEL_TRACES_SAMPLER_ARG'), fix);
  if (/always_on/.test(name)) return { ...about, status: 'ok', finding: shown };
  return { ...about, status: 'warn', finding: `${shown}: what it leaves out is not recorded`, fix };
}

function ratioFinding(
  about: Pick<Finding, 'id' | 'section' | 'subject'>,
  shown: string,
  argument: string | undefined,
  fix: string,
): Finding {
  const ratio = argument === undefined ? 1 : Number(argument);
  if (!(ratio >= 0 && ratio <= 1))
    return {
      ...about,
      status: 'warn',
      finding: `OTEL_TRACES_SAMPLER_ARG ${JSON.stringify(plainText(argument ?? '', 40))} is no number from 0 to 1: the SDK uses 1`,
      fix: 'unset it, or write a number',
    };
  if (ratio === 1) return { ...about, status: 'ok', finding: `${shown}, of all traces` };
  const percent = `${Number((ratio * 100).toPrecision(3))} %`;
  return ratio === 0
    ? { ...about, status: 'fail', finding: `${shown} with 0: nothing is recorded`, fix }
    : { ...about, status: 'warn', finding: `${shown}: about ${percent} of all calls are recorded`, fix };
}

/** A conversation of some length; JSON that is cut is repaired as far as it goes, and the receipt says so. */
const LEAST_LENGTH = 65_536;
/** The SDK's own default. Dialects that write each message into keys of its own need it all. */
const LEAST_COUNT = 128;

function limitFindings(env: Environment): readonly Finding[] {
  const length =
    numberOf(env, 'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT') ??
    numberOf(env, 'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT');
  const count =
    numberOf(env, 'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT') ?? numberOf(env, 'OTEL_ATTRIBUTE_COUNT_LIMIT');
  const events = numberOf(env, 'OTEL_SPAN_EVENT_COUNT_LIMIT');
  const found: Finding[] = [];
  const warn = (id: string, subject: string, finding: string, fix: string): void => {
    found.push({ id, section, status: 'warn', subject, finding, fix });
  };
  if (length !== undefined && length.value < LEAST_LENGTH)
    warn(
      'sampling.attribute-length',
      'attributes',
      `${length.name} is ${length.value}: longer messages are cut off`,
      `unset it, or set it to ${LEAST_LENGTH} and more`,
    );
  if (count !== undefined && count.value < LEAST_COUNT)
    warn(
      'sampling.attribute-count',
      'attributes',
      `${count.name} is ${count.value}: what comes last is dropped, and that is replies and token counts`,
      'unset it, or set it to 512 and more',
    );
  if (events !== undefined && events.value < LEAST_COUNT)
    warn(
      'sampling.event-count',
      'events',
      `${events.name} is ${events.value}: messages in events are dropped`,
      'unset it, or set it to 512 and more',
    );
  if (found.length === 0)
    found.push({
      id: 'sampling.limits',
      section,
      status: 'ok',
      subject: 'span limits',
      finding: 'none in the environment that cuts messages',
    });
  return found;
}

function numberOf(
  env: Environment,
  name: string,
): { readonly name: string; readonly value: number } | undefined {
  const text = setting(env, name);
  const value = text === undefined ? Number.NaN : Number(text);
  return Number.isFinite(value) && value >= 0 ? { name, value } : undefined;
}

const BATCH_VARIABLES: Readonly<Record<keyof BatchLimits, string>> = {
  maxQueueSize: 'OTEL_BSP_MAX_QUEUE_SIZE',
  maxExportBatchSize: 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE',
  scheduledDelayMillis: 'OTEL_BSP_SCHEDULE_DELAY',
  exportTimeoutMillis: 'OTEL_BSP_EXPORT_TIMEOUT',
};

function batchFinding(env: Environment): Finding {
  const about = { id: 'sampling.batches', section, subject: 'batches' } as const;
  const given = Object.entries(BATCH_VARIABLES).flatMap(([key, name]) => {
    const found = numberOf(env, name);
    return found === undefined ? [] : [{ key, ...found }];
  });
  const limits: BatchLimits = {
    ...SDK_LIMITS,
    ...Object.fromEntries(given.map(({ key, value }) => [key, value])),
  };
  const problems = judgeBatches(limits);
  if (problems.length === 0)
    return {
      ...about,
      status: 'ok',
      finding:
        given.length === 0
          ? "the SDK's own limits"
          : given.map(({ name, value }) => `${name}=${value}`).join(' '),
    };
  return {
    ...about,
    status: 'warn',
    finding: `of a BatchSpanProcessor: ${problems.join('; ')}`,
    fix: `unset ${given.map(({ name }) => name).join(', ')}, or use FreeplaySpanProcessor, which needs none of them`,
  };
}
