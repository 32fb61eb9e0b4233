/** What the bench is about: the span processor, with its defaults. */
import { PROJECT_ID } from '../traffic.mjs';

/** @param {import('./contender.mjs').Options} options @returns {Promise<import('./contender.mjs').Contender>} */
export async function create({ url, package: packageUrl, records }) {
  const { FreeplaySpanProcessor } = await import(packageUrl);
  const processor = new FreeplaySpanProcessor({
    apiKey: 'bench-key',
    projectId: PROJECT_ID,
    baseUrl: `${url}/api`,
    records,
  });
  return {
    onEnd: (span) => processor.onEnd(span),
    flush: () => processor.forceFlush(),
    problems: () => problemsOf(processor.ledger()),
  };
}

/** @param {any} ledger */
export function problemsOf({ records, lastError }) {
  const { created, delivered } = records;
  return created === delivered
    ? []
    : [`${delivered} of ${created} records delivered: ${JSON.stringify(records)} ${lastError ?? ''}`];
}
