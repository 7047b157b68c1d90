// Compiled by the test that uses it: neither Node nor the test runner takes decorators as they are.

import type { TokenSource } from '../../src/grants/token.ts'
import { freshToken, presentToken } from '../../src/use/decorators.ts'

/** Refuses a token as the test says, and tells what was asked of it. */
export type Server = (token: string, page: number) => Promise<string>

export class Api {
  readonly #server: Server
  readonly tokens: TokenSource

  constructor(server: Server, tokens: TokenSource) {
    this.#server = server
    this.tokens = tokens
  }

  /** One page. */
  @freshToken((self: Api) => self.tokens)
  async page(number: number, token = presentToken()): Promise<string> {
    await Promise.resolve()
    return this.#server(token.value, number)
  }

  @freshToken((self: Api) => self.tokens)
  async #hidden(number: number): Promise<string> {
    const token = presentToken()
    return this.#server(token.value, number)
  }

  hidden(number: number): Promise<string> {
    return this.#hidden(number)
  }

  @freshToken((self: Api) => self.tokens)
  async late(): Promise<string> {
    await Promise.resolve()
    return presentToken().value
  }
}

// The types of the method are those it was written with.
const page: (number: number) => Promise<string> = Api.prototype.page
export const parameters = page.length

/** Decorated by a source that is there already. */
export const staticApi = (source: TokenSource, server: Server) => {
  // biome-ignore lint/complexity/noStaticOnlyClass: that is what is tried
  class Static {
    @freshToken(source)
    static async page(number: number): Promise<string> {
      return server(presentToken().value, number)
    }
  }
  return Static
}

/** What is refused at the decoration. */
export const generatorApi = (source: TokenSource) => {
  class Generator {
    // @ts-expect-error a generator is no async method
    @freshToken(source)
    async *pages(): AsyncGenerator<string> {
      yield presentToken().value
    }
  }
  return Generator
}

/** Refused although its type is right: that a promise comes back is known only once it has run. */
export const synchronousApi = (source: TokenSource, server: Server) => {
  class Synchronous {
    @freshToken(source)
    page(number: number): Promise<string> {
      return server(presentToken().value, number)
    }
  }
  return Synchronous
}
