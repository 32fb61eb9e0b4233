/** An option that was passed in code and cannot be used. `code` is stable; compare it rather than the class. */
export class FreeplayOptionError extends TypeError {
  readonly code: 'FREEPLAY_OTEL_OPTION' = 'FREEPLAY_OTEL_OPTION';
  /** The option's name, e.g. `timeoutMillis` or `projects[1]`. */
  readonly option: string;

  constructor(option: string, message: string) {
    super(message);
    this.name = 'FreeplayOptionError';
    this.option = option;
  }
}
