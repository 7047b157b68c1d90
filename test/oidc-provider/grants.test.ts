// Every grant type of the library against oidc-provider, a certified server that nobody here wrote.

import { fingerprint } from '@evertoken/testing'
import { clientCredentials, type Keeper } from 'evertoken'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { consentInBrowser } from './browser.ts'
import { clientKey, clientKeyId, redirectUri, secrets } from './clients.ts'
import { consent, login, signIn, testKeeper } from './login.ts'
import { type OidcProvider, startOidcProvider, type TokenRequest } from './provider-process.ts'

let provider: OidcProvider
let keeper: Keeper
let before = 0
beforeAll(async () => {
  provider = await startOidcProvider({ lifetime: 60 })
})
afterAll(() => provider[Symbol.asyncDispose]())
beforeEach(async () => {
  before = provider.requests().length
  keeper = await testKeeper()
})

/** What the provider's token endpoint saw during this test. */
const seen = (): readonly TokenRequest[] => provider.requests().slice(before)

const signingKey = { algorithm: 'ES256', key: clientKey, keyId: clientKeyId } as const
const confidential = {
  client_secret_basic: { clientId: 'basic', clientSecret: secrets.basic },
  'client_secret_basic with an id and a secret that must be form-encoded first': {
    clientId: 'odd:id+%',
    clientSecret: secrets['odd:id+%'],
  },
  client_secret_post: {
    clientId: 'post',
    clientSecret: secrets.post,
    clientAuthentication: 'client_secret_post',
  },
  client_secret_jwt: {
    clientId: 'jwt-secret',
    clientSecret: secrets['jwt-secret'],
    clientAuthentication: 'client_secret_jwt',
  },
  private_key_jwt: { clientId: 'signs', clientSecret: undefined, signingKey },
} as const
const everyClient = {
  ...confidential,
  'none, a public client': { clientId: 'public', clientSecret: undefined },
} as const

describe('client credentials', () => {
  test.each(Object.entries(confidential))('with %s', async (_, client) => {
    await keeper.add('billing', clientCredentials({ ...client, issuer: provider.issuer, scope: 'api:read' }))
    const token = await keeper.getToken('billing')
    expect(await provider.introspect(token.value)).toMatchObject({
      active: true,
      client_id: client.clientId,
      scope: 'api:read',
    })
    expect(token).toMatchObject({ type: 'Bearer', scope: ['api:read'], generation: 1 })
    expect(Math.abs(token.expiresAt - Date.now() - 60_000)).toBeLessThan(10_000)
    const next = await keeper.refresh('billing')
    expect(next.generation).toBe(2)
    expect(next.value).not.toBe(token.value)
    expect(seen()).toMatchObject([
      { grantType: 'client_credentials', outcome: 'success', accessToken: fingerprint(token.value) },
      { grantType: 'client_credentials', outcome: 'success', accessToken: fingerprint(next.value) },
    ])
  })
})

describe('authorization code and refresh', () => {
  test.each(Object.entries(everyClient))('with %s', async (_, client) => {
    await keeper.add('work', login(provider.issuer, client))
    expect((await keeper.show('work')).state).toBe('pending')
    await consent(keeper, 'work')
    const first = await keeper.getToken('work')
    expect(await provider.introspect(first.value)).toMatchObject({
      active: true,
      client_id: client.clientId,
      sub: 'alice',
      scope: 'openid offline_access api:read',
    })
    const tokens = [first, await keeper.refresh('work'), await keeper.refresh('work')]
    expect(tokens.map((token) => token.generation)).toEqual([1, 2, 3])
    expect(await provider.introspect(tokens[2]!.value)).toMatchObject({ active: true, sub: 'alice' })

    const requests = seen()
    expect(requests).toMatchObject([
      { grantType: 'authorization_code', outcome: 'success', generation: 1 },
      { grantType: 'refresh_token', outcome: 'success', generation: 2, spent: requests[0]!.issued },
      { grantType: 'refresh_token', outcome: 'success', generation: 3, spent: requests[1]!.issued },
    ])
    expect(requests.map((request) => request.accessToken)).toEqual(
      tokens.map((token) => fingerprint(token.value)),
    )
    expect(new Set(requests.map((request) => request.issued)).size).toBe(3)
  })

  test('a narrower scope gets a token of its own from the same login', async () => {
    await keeper.add('work', login(provider.issuer))
    await consent(keeper, 'work')
    const whole = await keeper.getToken('work')
    const narrow = await keeper.getToken('work', { scope: 'api:read' })
    expect(await provider.introspect(narrow.value)).toMatchObject({ active: true, scope: 'api:read' })
    expect(narrow.scope).toEqual(['api:read'])
    expect((await keeper.getToken('work')).value).toBe(whole.value)
    // The next refresh spends the refresh token that came with the narrow one.
    await keeper.refresh('work')
    const [, second, third] = seen()
    expect(third).toMatchObject({ outcome: 'success', spent: second!.issued })
  })

  test('without offline_access the login ends with its access token, and says why', async () => {
    await keeper.add('work', login(provider.issuer, { scope: ['openid', 'api:read'] }))
    await consent(keeper, 'work')
    const token = await keeper.getToken('work')
    expect(await provider.introspect(token.value)).toMatchObject({ active: true })
    await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'no_refresh_token' })
    expect(seen().length).toBe(1)
  })
})

describe('the answer to a consent', () => {
  const begun = async (): Promise<URL> => {
    await keeper.add('work', login(provider.issuer))
    return signIn(keeper, 'work')
  }

  test('names its issuer, as RFC 9207 has it', async () => {
    const callback = await begun()
    expect(callback.searchParams.get('iss')).toBe(provider.issuer)
    expect((await keeper.finishConsent(callback)).state).toBe('active')
  })

  test.each([
    ['names another', (callback: URL) => callback.searchParams.set('iss', 'https://other.example')],
    ['names none', (callback: URL) => callback.searchParams.delete('iss')],
  ])('is refused when it %s issuer, and its code is not spent', async (_, alter) => {
    const callback = await begun()
    alter(callback)
    await expect(keeper.finishConsent(callback)).rejects.toMatchObject({ code: 'issuer_mismatch' })
    expect(seen()).toEqual([])
    expect((await keeper.show('work')).state).toBe('pending')
    await consent(keeper, 'work')
    expect((await keeper.getToken('work')).generation).toBe(1)
  })

  test('is good once', async () => {
    const callback = await begun()
    await keeper.finishConsent(callback)
    await expect(keeper.finishConsent(callback)).rejects.toMatchObject({ code: 'state_unknown' })
    expect(seen().length).toBe(1)
    expect((await keeper.refresh('work')).generation).toBe(2)
  })

  test('goes through a request that was pushed (RFC 9126), by a client that proves itself or a public one', async () => {
    const clients = { work: {}, home: { clientId: 'public', clientSecret: undefined } }
    for (const [name, client] of Object.entries(clients)) {
      await keeper.add(name, login(provider.issuer, { ...client, pushedAuthorization: true }))
      const { url } = await keeper.beginConsent(name, { redirectUri })
      expect([...new URL(url).searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
      await keeper.finishConsent(await consentInBrowser(url, redirectUri))
      expect((await keeper.refresh(name)).generation).toBe(2)
    }
  })

  test('is an error when the person refuses, and the grant waits for another', async () => {
    await keeper.add('work', login(provider.issuer))
    const { url } = await keeper.beginConsent('work', { redirectUri })
    const callback = new URL(redirectUri)
    callback.searchParams.set('error', 'access_denied')
    callback.searchParams.set('iss', provider.issuer)
    callback.searchParams.set('state', new URL(url).searchParams.get('state') ?? '')
    await expect(keeper.finishConsent(callback)).rejects.toMatchObject({ code: 'consent_denied' })
    expect((await keeper.show('work')).state).toBe('pending')
  })
})
