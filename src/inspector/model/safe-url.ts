/** Which addresses of strangers the page may use, and for what. */

/** For links: http and https alone. `undefined`: it stays a text. */
export function linkTarget(href: string): string | undefined {
  if (!/^https?:\/\//i.test(href)) return undefined;
  try {
    return new URL(href).href;
  } catch {
    return undefined;
  }
}

/** For `src`: data of an image or a sound that is in the record itself. Anything else would be asked for. */
export function embeddedMedia(url: string, kind: 'image' | 'audio'): string | undefined {
  return new RegExp(`^data:${kind}/[a-z0-9.+-]+(;[a-z0-9=.+-]+)*,`, 'i').test(url.slice(0, 200))
    ? url
    : undefined;
}

/** `image/png, 12.3 kB` and the like; `undefined` for what is no data URI. */
export function dataUriFacts(url: string): { readonly type: string; readonly bytes: number } | undefined {
  const match = /^data:([^,;]*)((?:;[^,;]*)*),/i.exec(url.slice(0, 300));
  if (match === null) return undefined;
  const length = url.length - match[0].length;
  return {
    type: match[1] || 'text/plain',
    bytes: /;base64$/i.test(match[2] ?? '') ? Math.floor((length * 3) / 4) : length,
  };
}
