import type { VNode } from 'preact';
import { copyText } from '../parts/copy.ts';
import { Icon } from '../parts/icons.tsx';
import { Code } from '../parts/scroll-x.tsx';

/** A v4 UUID that says by itself that no real project is meant; the server takes every v4 UUID. */
const EXAMPLE_PROJECT_ID = '10ca1000-0000-4000-8000-000000000000';

/** What there is to see before anything was recorded: how to get something recorded. */
export function Setup({ withKey }: { withKey: boolean }): VNode {
  const variables = [
    `export FREEPLAY_API_BASE=${location.origin}/api`,
    `export FREEPLAY_API_KEY=${withKey ? "'<the key of --key>'" : 'any'}`,
    `export FREEPLAY_PROJECT_ID=${EXAMPLE_PROJECT_ID}`,
  ].join('\n');
  const code = [
    "import { NodeSDK } from '@opentelemetry/sdk-node';",
    "import { FreeplaySpanProcessor } from 'opentelemetry-exporter-freeplay';",
    '',
    'new NodeSDK({',
    '  spanProcessors: [new FreeplaySpanProcessor({ development: true })],',
    '}).start();',
  ].join('\n');
  return (
    <div class="setup">
      <h1 tabIndex={-1}>Nothing is recorded yet</h1>
      <p>
        This page fills by itself as soon as an exporter sends its first completion here. It takes three
        environment variables and one line of code.
      </p>
      <Snippet title="1. Point the exporter at this server" text={variables} />
      <Snippet title="2. Add the span processor to the OpenTelemetry set-up" text={code} />
      <p class="muted">
        With <code>development: true</code>, or <code>FREEPLAY_DEVELOPMENT=true</code>, each record also shows
        which attributes it came from and the spans themselves.
      </p>
      <Snippet
        title="Or without touching the code"
        text="node --import opentelemetry-exporter-freeplay/register app.mjs"
      />
    </div>
  );
}

export function Snippet({ title, text }: { title: string; text: string }): VNode {
  return (
    <section class="snippet-box">
      <div class="snippet-head">
        <h2>{title}</h2>
        <button
          type="button"
          class="button plain"
          aria-label={`Copy: ${title}`}
          onClick={() => void copyText(text, 'the snippet')}
        >
          <Icon name="copy" />
        </button>
      </div>
      <Code text={text} />
    </section>
  );
}
