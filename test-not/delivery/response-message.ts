/** The server's words out of an error response: `{"message": "…"}`, bounded. */

/** 64 KiB of an error page are read at most; the connection is given up rather than read further. */
export const MAX_RESPONSE_BYTES = 65_536;

/** What is kept of a message, in UTF-16 units. */
export const MAX_MESSAGE_LENGTH = 500;

/** Reads at most `MAX_RESPONSE_BYTES`; what an interrupted body held until then counts. Never rejects. */
export async function readBounded(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // Leaving the loop destroys the stream, and with it the connection if more is to come.
    for await (const chunk of body) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= MAX_RESPONSE_BYTES) break;
    }
  } catch {
    // The status has been read; the judgement does not hang on the words.
  }
  return Buffer.concat(chunks).subarray(0, MAX_RESPONSE_BYTES).toString('utf8');
}

/**
 * The `message` of the body, on one line; the bare status if there is none. `redact` takes the key out, before the text
 * is cut: a cut key would not be recognised any more.
 */
export function getMessage(status: number, body: string, redact: (text: string) => string): string {
  return toOneLine(redact(readMessage(body))) || `HTTP ${status}`;
}

function readMessage(body: string): string {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed !== 'object' || parsed === null || !Object.hasOwn(parsed, 'message')) return '';
    const message = (parsed as { readonly message: unknown }).message;
    return typeof message === 'string' ? message : '';
  } catch {
    return '';
  }
}

/** Control characters go, since the text ends up in logs, and no surrogate pair is cut in half. */
function toOneLine(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, MAX_MESSAGE_LENGTH)
    .replace(/[\ud800-\udbff]$/, '');
}
