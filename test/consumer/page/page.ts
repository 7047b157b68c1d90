// A program for a page: test/packages.test.ts compiles it with the types of browsers and none of Node's.

import {
  authorizedFetch,
  brokerSource,
  clientCredentials,
  type PeekableTokenSource,
  type SavedTokens,
  tokenSource,
} from 'evertoken/fetch'

const grant = clientCredentials({ tokenUrl: 'https://auth.example/token', clientId: 'page' })
const save = async ({ refreshToken }: SavedTokens): Promise<void> => {
  if (refreshToken === undefined) return
}
export const sources: PeekableTokenSource[] = [
  tokenSource(grant, { save }),
  brokerSource({ url: 'https://tokens.example', key: 'evt_abc', grant: 'billing' }),
]
export const api: typeof fetch = authorizedFetch(sources[0] as PeekableTokenSource)
