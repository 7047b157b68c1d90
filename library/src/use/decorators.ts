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
 * @throws TypeError at the decoration of what is no method, and of a generator.
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
    return withFreshToken(source as TokenSource, method, options)
  }
}
