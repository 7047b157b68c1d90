// A program that uses every entry of the library for spending tokens, as its users' compilers see it: test/packages.test.ts compiles it
// against the packed files, with each way of finding modules.

import {
  type AccessToken,
  authorizationHeaders,
  authorizedFetch,
  brokerSource,
  cachedSource,
  clientCredentials,
  commandSource,
  narrowedSource,
  refreshingSource,
  staticSource,
  type TokenSource,
  tokenSource,
  withoutToken,
} from 'evertoken'
import { type AxiosLike, authorizeAxios, leftAlone } from 'evertoken/axios'
import { freshToken, presentToken, withFreshToken } from 'evertoken/decorators'
import { fetchTransport, tokenSource as lightTokenSource } from 'evertoken/fetch'
import { authorizationInterceptor, authorizedDispatcher, type Composable } from 'evertoken/undici'

const grant = clientCredentials({ tokenUrl: 'https://auth.example/token', clientId: 'c', clientSecret: 's' })
const sources: TokenSource[] = [
  tokenSource(grant),
  lightTokenSource(grant, { transport: fetchTransport() }),
  staticSource('abc'),
  brokerSource({ url: 'https://tokens.example', key: 'evt_abc', grant: 'billing' }),
  commandSource(['vault', 'read'], { accessToken: '/data/token' }),
  cachedSource(refreshingSource(async () => ({ value: 'abc', expiresIn: 60 }))),
]
const source = narrowedSource(sources[0] as TokenSource, { scope: 'read' })

/** Takes the place of the global one. */
const api: typeof fetch = authorizedFetch(source, { origins: ['https://api.example'] })
export const answers: Promise<Response>[] = [
  api('https://api.example'),
  authorizedFetch(source)(new URL('https://api.example'), { [withoutToken]: true }),
]
export const headers: Promise<Record<string, string>> = authorizationHeaders(source, {
  url: 'https://api.example',
})

export class Users {
  readonly tokens: TokenSource = source

  @freshToken((self: Users) => self.tokens)
  async page(number: number, token: AccessToken = presentToken()): Promise<string> {
    return `${token.type} ${number}`
  }
}
export const page: Promise<string> = new Users().page(2)
export const plain: (id: string) => Promise<number> = withFreshToken(source, async (id: string) => id.length)

export const adapted = (instance: AxiosLike, dispatcher: Composable<object>): object[] => [
  authorizeAxios(instance, source),
  leftAlone,
  authorizedDispatcher(dispatcher, source, { origins: ['https://api.example'] }),
  authorizationInterceptor(source, { origins: ['https://api.example'] }),
]
