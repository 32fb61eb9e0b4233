import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { formatBytes } from '../model/format.ts';
import { dataUriFacts, embeddedMedia, linkTarget } from '../model/safe-url.ts';
import { visibleText } from '../model/visible-text.ts';
import { Words } from './text.tsx';

/** Only what the record itself holds is shown: nothing is asked of other hosts. */
export function Image({ url, alt }: { url: string; alt?: string | undefined }): VNode {
  const [broken, setBroken] = useState(false);
  const source = embeddedMedia(url, 'image');
  if (source === undefined) return <RemoteMedia what="image" url={url} alt={alt} />;
  const facts = dataUriFacts(url);
  const words = facts ? `${facts.type}, ${formatBytes(facts.bytes)}` : 'image';
  if (broken)
    return (
      <span class="media-note">
        <Words text={`An image that cannot be shown (${words}).`} />
      </span>
    );
  return (
    <span class="media">
      <img
        src={source}
        alt={alt ? visibleText(alt) : `Image in the message: ${words}`}
        onError={() => setBroken(true)}
      />
      <span class="muted small">
        <Words text={words} />
      </span>
    </span>
  );
}

export function Audio({ url, format }: { url: string; format: string }): VNode {
  const source = embeddedMedia(url, 'audio');
  const facts = dataUriFacts(url);
  const words = facts ? `${format}, ${formatBytes(facts.bytes)}` : format;
  return (
    <span class="media">
      {source !== undefined && (
        // biome-ignore lint/a11y/useMediaCaption: a recorded message has none
        <audio
          controls
          preload="none"
          src={source}
          aria-label={`Audio in the message: ${visibleText(words)}`}
        />
      )}
      <span class="muted small">
        audio, <Words text={words} />
      </span>
    </span>
  );
}

export function FilePart({ name, url }: { name: string; url: string | undefined }): VNode {
  const facts = url === undefined ? undefined : dataUriFacts(url);
  return (
    <span class="media-note">
      <span class="tag">file</span> <Words text={name} />
      {facts && (
        <span class="muted">
          {' '}
          <Words text={facts.type} />, {formatBytes(facts.bytes)}
        </span>
      )}
      {url !== undefined && !facts && <RemoteMedia what="file" url={url} />}
    </span>
  );
}

function RemoteMedia({ what, url, alt }: { what: string; url: string; alt?: string | undefined }): VNode {
  const target = linkTarget(url);
  const facts = dataUriFacts(url);
  return (
    <span class="media-note">
      <span class="tag">{what}</span>{' '}
      {alt && (
        <>
          <Words text={alt} />{' '}
        </>
      )}
      {target === undefined ? (
        <span class="break">
          <Words text={facts ? `${facts.type}, ${formatBytes(facts.bytes)}` : url.slice(0, 300)} />
        </span>
      ) : (
        <a href={target} target="_blank" rel="noopener noreferrer nofollow" class="out-link break">
          {visibleText(target.length > 300 ? `${target.slice(0, 300)}…` : target)}
        </a>
      )}
      <span class="muted">
        {' '}
        not shown: {target === undefined ? 'it holds no such data' : 'it is on another host'}
      </span>
    </span>
  );
}
