/** An SDK that is registered before we are loaded. */
const { readdirSync } = require('node:fs');
const { context, trace } = require('@opentelemetry/api');
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks');

const hasBase = readdirSync('node_modules/@opentelemetry').includes('sdk-trace-base');
const sdk = require(hasBase ? '@opentelemetry/sdk-trace-base' : '@opentelemetry/sdk-trace');
const Provider = sdk.BasicTracerProvider ?? sdk.TracerProvider;
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
trace.setGlobalTracerProvider(new Provider());
