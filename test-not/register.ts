/** Zero code: `node --import opentelemetry-exporter-freeplay/register app.js`, or `--require` in its place. */
import { startRegistration } from './register/start.ts';

startRegistration();
