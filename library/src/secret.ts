const inspectSymbol = Symbol.for('nodejs.util.inspect.custom')

/**
 * A string that cannot print itself: `String(secret)`, `JSON.stringify`, template literals, `console.log` and
 * error messages all show `[secret]`. Only {@link Secret.reveal} gives the text.
 */
export class Secret {
  readonly #text: string

  /** @param text the secret text; must not be empty. */
  constructor(text: string) {
    if (typeof text !== 'string' || text === '')
      throw new TypeError('a secret must be a string that is not empty')
    this.#text = text
  }

  /** The text itself, for the one place that needs it. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return '[secret]'
  }

  toJSON(): string {
    return '[secret]'
  }

  [inspectSymbol](): string {
    return '[secret]'
  }
}
