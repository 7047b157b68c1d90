// `evertoken/decorators`: a method that runs with a fresh token, and the same for a plain function.

import type { TokenSource } from '../grants/token.ts'
import { type AsyncFunction, type FreshTokenOptions, withFreshToken } from './with-fresh-token.ts'

export {
  type AsyncFunction,
  type FreshTokenOptions,
  presentToken,
  withFreshToken,
} from './with-fresh-token.ts'

/**
 * A method that runs only once there is a fresh token, and once more with a newer one when it fails because the API refused that. Its
 * type stays as it is. A standard decorator (TC39, TypeScript 5 and newer without `experimentalDecorators`).
 *
 * ```ts
 * class Users {
 *   constructor(readonly tokens: TokenSource) {}
 *
 *   @freshToken((self: Users) => self.tokens)
 *   async page(number: number, token = presentToken()) { … }
 * }
 * ```
 *
 * @param source the source, or a function that finds it in `this`.
 * @throws TypeError at the decoration of what is no method, of a generator, and of a method that is not async, also where it returns a promise.
 */
export function freshToken<This = unknown>(
  source: TokenSource | ((self: This) => TokenSource),
  options: FreshTokenOptions = {},
): <Method extends AsyncFunction>(
  method: Method,
  context: ClassMethodDecoratorContext<This, Method>,
) => Method {
  return (method, context) => {
    if (typeof context !== 'object' || context === null)
      throw new TypeError(
        '@freshToken is a standard decorator: turn off experimentalDecorators, or use withFreshToken',
      )
    if (context.kind !== 'method')
      throw new TypeError(
        `@freshToken stands before a method, and ${String(context.name)} is a ${context.kind}`,
      )
    const decorated = withFreshToken(source as TokenSource, method, options)
    if (!isAsync(method))
      throw new TypeError(
        `${String(context.name)} is not async, and only an async method can wait for its token: write async before it. A method that is async compiles to one from ES2017 on, and another decorator goes above @freshToken.`,
      )
    return decorated
  }
}

/** What compilers call where they take an async function apart, for targets before ES2017: TypeScript, esbuild, Babel and oxc, swc. */
const takenApart = /\b(?:__awaiter|__async|_asyncToGenerator|_async_to_generator)\d*\b/

/**
 * Whether a method was written as async. Taken apart it looks like any other from outside, so then its text has to tell; where that
 * names a helper for a function within, the call still sees that no promise came back.
 */
const isAsync = (method: AsyncFunction): boolean =>
  Object.prototype.toString.call(method) === '[object AsyncFunction]' ||
  takenApart.test(Function.prototype.toString.call(method))
