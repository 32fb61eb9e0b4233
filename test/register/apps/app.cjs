const [major, mode] = process.argv.slice(2);
import('./scenario.mjs').then(({ run }) => run(require, Number(major), mode ?? ''));
