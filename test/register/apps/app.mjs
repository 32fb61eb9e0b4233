import { run } from './scenario.mjs';

const [major, mode] = process.argv.slice(2);
await run((name) => import(name), Number(major), mode ?? '');
