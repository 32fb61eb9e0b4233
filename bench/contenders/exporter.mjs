/** The other way in: the exporter behind a `BatchSpanProcessor`. */
import { PROJECT_ID } from '../traffic.mjs';
import { batched } from './contender.mjs';
import { problemsOf } from './processor.mjs';

/** @param {import('./contender.mjs').Options} options @returns {Promise<import('./contender.mjs').Contender>} */
export async function create({ url, package: packageUrl, records }) {
  const { FreeplaySpanExporter } = await import(packageUrl);
  const exporter = new FreeplaySpanExporter({
    apiKey: 'bench-key',
    projectId: PROJECT_ID,
    baseUrl: `${url}/api`,
    records,
  });
  const { onEnd, flush, problems } = batched(exporter);
  return {
    onEnd,
    async flush() {
      await flush();
      await exporter.forceFlush();
    },
    problems: () => [...problems(), ...problemsOf(exporter.ledger())],
  };
}
