/**
 * JSON text in the making. Long pieces stay apart: whoever needs bytes writes each where it belongs, and a message text that is copied
 * from an attribute is copied once, not into one long text first.
 */

/** Below, a call into the engine costs more than the copy it saves. Characters. */
const LONG_PIECE = 1_024;

export class JsonWriter {
  /** Of the text so far, UTF-16 units. */
  length = 0;
  readonly #done: string[] = [];
  #open = '';

  add(text: string): void {
    this.length += text.length;
    if (text.length < LONG_PIECE) {
      this.#open += text;
      return;
    }
    this.#close();
    this.#done.push(text);
  }

  /** The text, in pieces that follow each other. */
  end(): readonly string[] {
    this.#close();
    return this.#done;
  }

  #close(): void {
    if (this.#open !== '') this.#done.push(this.#open);
    this.#open = '';
  }
}
