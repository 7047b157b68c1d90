import { expect, test } from 'vitest'
import { readDefinition, writeDefinition } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { type RequestedTokenOptions, requestedToken } from '../../src/grants/requested-token.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import type { ProviderProfile, RequestDialect } from '../../src/providers/profile.ts'
import { memoryStore } from '../../src/stores/memory.ts'

const key = { algorithm: 'HS256', key: 'k'.repeat(32) } as const
const api_key = 'the-api-key-1'

const profileOf = (request: RequestDialect, more: Partial<ProviderProfile> = {}): ProviderProfile => ({
  id: 'example',
  name: 'Example',
  token_url: 'https://provider.example/tokens/{account}',
  variables: {
    account: { description: 'the account' },
    api_key: { description: 'the key', secret: true },
  },
  requests: { request },
  answer: { access_token: '/token/value', expiry: '/token/ttl_ms', expiry_format: 'relative_ms' },
  ...more,
})

async function minted(options: RequestedTokenOptions, status = 200, said?: object) {
  const requests: WireRequest[] = []
  const transport: Transport = async (request) => {
    requests.push(request)
    return {
      status,
      headers: {},
      body: JSON.stringify(said ?? { token: { value: 'at-1', ttl_ms: 600_000 } }),
    }
  }
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), transport })
  await keeper.add('x', requestedToken(options))
  return { keeper, requests, token: () => keeper.getToken('x') }
}

const variables = { account: 'acme', api_key }

test('an API key that stands in a variable buys a token by the request that is declared, and by nothing else', async () => {
  const profile = profileOf({
    body: 'json',
    parameters: { kind: 'session', scope: '{scope}' },
    headers: { 'X-Api-Key': '{api_key}' },
  })
  const { token, requests } = await minted({ profile, variables, scope: 'read', parameters: { extra: '1' } })
  expect(await token()).toMatchObject({ value: 'at-1', generation: 1 })
  expect(requests).toMatchObject([
    {
      method: 'POST',
      url: 'https://provider.example/tokens/acme',
      headers: { 'x-api-key': api_key, 'content-type': 'application/json', accept: 'application/json' },
    },
  ])
  expect(JSON.parse(requests[0]?.body ?? '')).toEqual({ kind: 'session', scope: 'read', extra: '1' })
})

test('a GET has everything in its query, and a client that has a secret proves itself as ever', async () => {
  const profile = profileOf(
    { method: 'GET', url: 'https://other.example/mint?v=2', parameters: { jwt: '{assertion}' } },
    {
      client_authentication: 'client_secret_basic',
      assertion: { issuer: 'iss-{account}', claims: { sub: null } },
    },
  )
  const assertion = { key, audience: 'https://aud.example' }
  const client = { clientId: 'c', clientSecret: 's3cret' }
  const { token, requests } = await minted({ profile, variables, assertion, ...client })
  await token()
  const { url = '', method, headers, body } = requests[0] ?? {}
  expect({ method, body, authorization: headers?.authorization }).toEqual({
    method: 'GET',
    body: undefined,
    authorization: `Basic ${btoa('c:s3cret')}`,
  })
  const query = Object.fromEntries(new URL(url).searchParams)
  expect(Object.keys(query)).toEqual(['v', 'jwt'])
  const claims = JSON.parse(atob((query.jwt ?? '').split('.')[1] ?? ''))
  expect(claims).toMatchObject({ iss: 'iss-acme', aud: 'https://aud.example' })
  expect(claims).not.toHaveProperty('sub')
})

test('what the provider quotes of the key and the assertion is taken out of its words', async () => {
  const profile = profileOf({ headers: { 'X-Api-Key': '{api_key}', 'X-Jwt': '{assertion}' } })
  const assertion = { issuer: 'me', key }
  let quoted = ''
  const requests: WireRequest[] = []
  const transport: Transport = async (request) => {
    requests.push(request)
    quoted = request.headers['x-jwt'] ?? ''
    const error_description = `${quoted} and ${api_key} are wrong`
    return { status: 400, headers: {}, body: JSON.stringify({ error: 'invalid_request', error_description }) }
  }
  const keeper = await Keeper.open({ store: memoryStore({ ephemeral: true }), transport })
  await keeper.add('x', requestedToken({ profile, variables, assertion }))
  const error = await keeper.getToken('x').catch((error: Error) => error)
  expect(quoted.split('.')).toHaveLength(3)
  expect((error as Error).message).toContain('are wrong')
  for (const secret of [quoted, api_key]) expect((error as Error).message).not.toContain(secret)
})

test('the definition goes through the store as it is', () => {
  const profile = profileOf({ parameters: { a: '{assertion}' } }, { assertion: { backdate: 60 } })
  const definition = requestedToken({ profile, variables, assertion: { issuer: 'me', key } })
  expect(readDefinition(writeDefinition(definition))).toEqual(definition)
})

test.each<[string, RequestedTokenOptions, string]>([
  ['no declared request', { profile: { ...profileOf({}), requests: {} } }, 'declares requests.request'],
  ['no profile', { profile: undefined as never }, 'declares requests.request'],
  [
    'nobody to sign',
    { profile: profileOf({ headers: { a: '{assertion}' } }) },
    'profile example signs its request, and assertion is missing',
  ],
  [
    'nothing to sign',
    { profile: profileOf({}), assertion: { issuer: 'me', key } },
    'assertion has no effect',
  ],
  [
    'a key of another kind than the profile wants',
    {
      profile: profileOf({ headers: { a: '{assertion}' } }, { assertion: { algorithm: 'RS256' } }),
      assertion: { issuer: 'me', key },
    },
    'assertion.key.algorithm is HS256, and profile example wants RS256',
  ],
  [
    'no issuer',
    { profile: profileOf({ headers: { a: '{assertion}' } }), assertion: { key } },
    'assertion.issuer is missing',
  ],
  [
    'no client id where the profile signs with it',
    {
      profile: profileOf({ headers: { a: '{assertion}' } }, { assertion: { issuer: '{client_id}' } }),
      assertion: { key },
    },
    'assertion.issuer is missing',
  ],
  [
    'an assertion that is born expired',
    {
      profile: profileOf({ headers: { a: '{assertion}' } }, { assertion: { backdate: 60 } }),
      assertion: { issuer: 'me', lifetime: 60, key },
    },
    'assertion.lifetime must be more than the 60 seconds',
  ],
])('%s is told at once', (_, options, message) => {
  expect(() => requestedToken({ variables, ...options })).toThrow(message)
})
