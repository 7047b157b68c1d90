import axios from 'axios'
import { Agent, type Dispatcher } from 'undici'
import { expectTypeOf, test } from 'vitest'
import type { AccessToken, TokenSource } from '../../src/grants/token.ts'
import { authorizationHeaders } from '../../src/use/authorization.ts'
import { type AuthorizedFetch, authorizedFetch } from '../../src/use/authorized-fetch.ts'
import type { authorizeAxios } from '../../src/use/axios.ts'
import { brokerSource } from '../../src/use/broker-source.ts'
import { commandSource } from '../../src/use/command-source.ts'
import type { freshToken } from '../../src/use/decorators.ts'
import * as light from '../../src/use/fetch.ts'
import { type PeekableTokenSource, refreshingSource } from '../../src/use/refreshing-source.ts'
import { cachedSource, narrowedSource, staticSource } from '../../src/use/source-wrappers.ts'
import { tokenSource } from '../../src/use/token-source.ts'
import { type authorizationInterceptor, authorizedDispatcher } from '../../src/use/undici.ts'
import { withFreshToken } from '../../src/use/with-fresh-token.ts'

test('an authorized fetch takes the place of fetch, and takes one option more', () => {
  expectTypeOf(authorizedFetch).returns.toEqualTypeOf<AuthorizedFetch>()
  expectTypeOf<AuthorizedFetch>().toExtend<typeof fetch>()
  expectTypeOf<typeof fetch>().parameters.toExtend<Parameters<AuthorizedFetch>>()
  expectTypeOf<AuthorizedFetch>().returns.resolves.toEqualTypeOf<Response>()
  expectTypeOf(authorizationHeaders).returns.resolves.toEqualTypeOf<Record<string, string>>()
})

test('every source is one', () => {
  expectTypeOf(tokenSource).returns.toExtend<TokenSource>()
  expectTypeOf(light.tokenSource).returns.toEqualTypeOf<PeekableTokenSource>()
  expectTypeOf(refreshingSource).returns.toEqualTypeOf<PeekableTokenSource>()
  expectTypeOf(cachedSource).returns.toEqualTypeOf<PeekableTokenSource>()
  expectTypeOf(brokerSource).returns.toEqualTypeOf<PeekableTokenSource>()
  expectTypeOf(commandSource).returns.toEqualTypeOf<PeekableTokenSource>()
  expectTypeOf(staticSource).returns.toEqualTypeOf<TokenSource>()
  expectTypeOf(narrowedSource).returns.toEqualTypeOf<TokenSource>()
  expectTypeOf<PeekableTokenSource['peekToken']>().returns.toEqualTypeOf<AccessToken | undefined>()
})

test('a function with a fresh token keeps its type', () => {
  type Page = (this: { base: string }, number: number, more?: string) => Promise<string[]>
  type Generator = () => AsyncGenerator<string>
  expectTypeOf(withFreshToken<Page>).returns.toEqualTypeOf<Page>()
  expectTypeOf<() => string>().not.toExtend<Parameters<typeof withFreshToken>[1]>()
  expectTypeOf<Generator>().not.toExtend<Parameters<typeof withFreshToken>[1]>()
  type Decorator = ReturnType<typeof freshToken<object>>
  expectTypeOf<Decorator>().parameter(1).toExtend<ClassMethodDecoratorContext>()
})

test('the adapters fit the clients that they are for', () => {
  expectTypeOf(axios.create()).toExtend<Parameters<typeof authorizeAxios>[0]>()
  expectTypeOf<
    ReturnType<typeof authorizationInterceptor>
  >().toExtend<Dispatcher.DispatcherComposeInterceptor>()
  expectTypeOf(authorizedDispatcher<Dispatcher>).returns.toEqualTypeOf<Dispatcher>()
  expectTypeOf(Agent).instance.toExtend<
    Parameters<typeof authorizedDispatcher<Dispatcher.ComposedDispatcher>>[0]
  >()
})
