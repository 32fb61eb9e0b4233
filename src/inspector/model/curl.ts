/** For a POSIX shell: nothing inside single quotes means anything but the quote itself. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Posts the same JSON again, with the key taken from the environment. */
export function toCurl(url: string, json: string): string {
  return [
    `curl -X POST ${shellQuote(url)}`,
    '-H "Authorization: Bearer $FREEPLAY_API_KEY"',
    "-H 'Content-Type: application/json'",
    `--data-raw ${shellQuote(json)}`,
  ].join(' \\\n  ');
}
