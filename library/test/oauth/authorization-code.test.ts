import { createHash } from 'node:crypto'
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { EvertokenError, type ProviderError } from '../../src/errors.ts'
import {
  authorizationCodeGrant,
  authorizationRequest,
  callbackState,
  readCallback,
} from '../../src/oauth/authorization-code.ts'
import type { ServerMetadata } from '../../src/oauth/client.ts'
import type { Transport, WireRequest } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'
import { wireForTest } from './servers.ts'

const server: ServerMetadata = {
  issuer: 'https://provider.example',
  tokenEndpoint: 'https://provider.example/token',
  authorizationEndpoint: 'https://provider.example/authorize?tenant=1',
}
const redirectUri = 'http://127.0.0.1:7420/oauth/callback'

test('the URL carries PKCE S256, a state of 256 bits, scope, resources and extra parameters', async () => {
  const request = await authorizationRequest(
    server,
    { clientId: 'client-1' },
    {
      redirectUri,
      scope: ['read', 'write'],
      resource: ['https://one.example', 'https://two.example'],
      parameters: { prompt: 'consent', access_type: 'offline' },
    },
  )
  const url = new URL(request.url)
  expect(url.origin + url.pathname).toBe('https://provider.example/authorize')
  expect([...url.searchParams].sort()).toEqual([
    ['access_type', 'offline'],
    ['client_id', 'client-1'],
    [
      'code_challenge',
      createHash('sha256')
        .update(request.codeVerifier?.reveal() ?? '')
        .digest('base64url'),
    ],
    ['code_challenge_method', 'S256'],
    ['prompt', 'consent'],
    ['redirect_uri', redirectUri],
    ['resource', 'https://one.example'],
    ['resource', 'https://two.example'],
    ['response_type', 'code'],
    ['scope', 'read write'],
    ['state', request.state],
    ['tenant', '1'],
  ])
  expect(request.state).toMatch(/^[\w-]{43}$/)
  expect(request.codeVerifier?.reveal()).toMatch(/^[\w-]{43}$/)
  expect(request.codeVerifier?.reveal()).not.toBe(request.state)
})

test('the challenge of PKCE is written in hexadecimal digits where the profile says so (TikTok)', async () => {
  const dialect = { id: 'example', variables: {}, consent: { pkce: 'S256_hex' as const } }
  // The first bytes of a digest may be anything: below 16 each has a zero in front.
  for (let tries = 0; tries < 20; tries++) {
    const { url, codeVerifier } = await authorizationRequest(
      server,
      { clientId: 'client-1', dialect },
      { redirectUri },
    )
    const { searchParams } = new URL(url)
    const digest = createHash('sha256').update(codeVerifier?.reveal() ?? '')
    expect(searchParams.get('code_challenge')).toBe(digest.digest('hex'))
    expect(searchParams.get('code_challenge_method')).toBe('S256')
  }
})

test('no two requests share a state; randomness can be given', async () => {
  const make = (random?: (bytes: number) => Uint8Array) =>
    authorizationRequest(server, { clientId: 'client-1' }, { redirectUri }, random)
  expect((await make()).state).not.toBe((await make()).state)
  expect((await make((bytes) => new Uint8Array(bytes))).state).toBe('A'.repeat(43))
  await expect(make(() => new Uint8Array(4))).rejects.toThrow(TypeError)
})

test.each(['state', 'client_id', 'redirect_uri', 'response_type', 'code_challenge', 'code_challenge_method'])(
  'the parameter %s cannot be set from outside',
  async (name) => {
    const message = { redirectUri, parameters: { [name]: 'evil' } }
    await expect(authorizationRequest(server, { clientId: 'c' }, message)).rejects.toThrow(TypeError)
  },
)

test.each([undefined, 'javascript:alert(1)', 'https://good@evil.example/authorize'])(
  'the authorization endpoint %s is invalid_configuration',
  async (authorizationEndpoint) => {
    const bare = { tokenEndpoint: server.tokenEndpoint, authorizationEndpoint }
    await expect(authorizationRequest(bare, { clientId: 'c' }, { redirectUri })).rejects.toMatchObject({
      code: 'invalid_configuration',
      advice: expect.stringContaining('authorization endpoint'),
    })
  },
)

const state = 's'.repeat(43)
const read = (query: string, metadata: ServerMetadata = server): string =>
  readCallback(metadata, new URL(`${redirectUri}?${query}`), state).code.reveal()
const refusal = (query: string, metadata?: ServerMetadata): EvertokenError => {
  try {
    read(query, metadata)
  } catch (error) {
    if (error instanceof EvertokenError) return error
    throw error
  }
  throw new Error('the callback was accepted')
}

test('a code with our state is read, from a URL or its parameters', () => {
  expect(read(`code=abc%2F1&state=${state}`)).toBe('abc/1')
  const parameters = new URLSearchParams({ code: 'abc', state })
  expect(callbackState(parameters)).toBe(state)
  expect(readCallback(server, parameters, state).code.reveal()).toBe('abc')
})

test.each([
  ['no state', 'code=abc', 'state_missing'],
  ['an empty state', 'code=abc&state=', 'state_missing'],
  ['two states', `code=abc&state=${state}&state=${state}`, 'state_missing'],
  ['a state of 1 KiB', `code=abc&state=${'s'.repeat(1024)}`, 'state_missing'],
  ['another state', `code=abc&state=${'t'.repeat(43)}`, 'state_unknown'],
  ['the beginning of the state', `code=abc&state=${'s'.repeat(42)}`, 'state_unknown'],
  ['more than the state', `code=abc&state=${'s'.repeat(44)}`, 'state_unknown'],
  ['neither code nor error', `state=${state}`, 'invalid_request'],
  ['an empty code', `code=&state=${state}`, 'invalid_request'],
  ['two codes', `code=a&code=b&state=${state}`, 'invalid_request'],
  ['a code with a line break', `code=a%0Ab&state=${state}`, 'invalid_request'],
  ['a code of 1 MiB', `code=${'a'.repeat(1 << 20)}&state=${state}`, 'invalid_request'],
  ['code and error together', `code=a&error=access_denied&state=${state}`, 'invalid_request'],
  ['an error of another request', `error=access_denied&state=${'t'.repeat(43)}`, 'state_unknown'],
  ['consent denied', `error=access_denied&state=${state}`, 'consent_denied'],
  ['a refused scope', `error=invalid_scope&state=${state}`, 'invalid_scope'],
  ['any other error', `error=server_error&state=${state}`, 'provider_error'],
])('a callback with %s is refused as %s, and says what to do', (_name, query, code) => {
  expect(refusal(query)).toMatchObject({ code, advice: expect.stringMatching(/again|Begin|Describe/) })
})

test.each([
  ['ours', 'https://provider.example', true],
  ['missing', undefined, true],
  ['with a slash more', 'https://provider.example/', false],
  ['another', 'https://evil.example', false],
  ['empty', '', false],
  ['in other case', 'https://Provider.example', false],
])('an iss that is %s (RFC 9207)', (_name, issuer, accepted) => {
  const query = `code=abc&state=${state}${issuer === undefined ? '' : `&iss=${encodeURIComponent(issuer)}`}`
  if (accepted) expect(read(query)).toBe('abc')
  else
    expect(refusal(query)).toMatchObject({
      code: 'issuer_mismatch',
      advice: expect.stringContaining('Nothing was sent.'),
    })
})

test('iss must be there when the provider says that it sends it, and is checked before an error is believed', () => {
  const strict = { ...server, authorizationResponseIssSupported: true }
  expect(refusal(`code=abc&state=${state}`, strict).code).toBe('issuer_mismatch')
  expect(refusal(`error=access_denied&state=${state}`, strict).code).toBe('issuer_mismatch')
  expect(read(`code=abc&state=${state}&iss=https://provider.example`, strict)).toBe('abc')
  expect(refusal(`code=a&state=${state}&iss=https://provider.example&iss=x`).code).toBe('invalid_request')
})

test('an iss cannot be judged where no issuer is known', () => {
  const unnamed = { tokenEndpoint: server.tokenEndpoint }
  expect(read(`code=abc&state=${state}&iss=https://any.example`, unnamed)).toBe('abc')
})

test('the provider’s words are kept, bounded and printable', () => {
  const said = encodeURIComponent(`<script>\u001b[31m${'x'.repeat(2000)}`)
  const error = refusal(
    `error=temporarily_unavailable&error_description=${said}&state=${state}`,
  ) as ProviderError
  expect(error.error).toBe('temporarily_unavailable')
  expect(error.errorDescription).toHaveLength(500)
  expect(error.errorDescription).toMatch(/^<script> \[31mx+…$/)
  expect(error.message).toBe(
    `the provider answered with an error instead of a code (temporarily_unavailable: ${error.errorDescription})`,
  )
})

test('neither code nor state of a refused callback is shown', () => {
  const error = refusal(`code=the-code&code=the-code&state=${state}`)
  expect(inspect(error, { depth: 9 })).not.toMatch(/the-code|sssss/)
})

test('the exchange sends code, redirect URI and verifier', async () => {
  const seen: WireRequest[] = []
  const transport: Transport = async (request) => {
    seen.push(request)
    return { status: 400, headers: {}, body: '{"error":"invalid_grant","error_description":"code the-code"}' }
  }
  const answer = await authorizationCodeGrant(
    server,
    {
      provider: { kind: 'endpoints', metadata: server },
      clientId: 'client-1',
      authentication: { method: 'none' },
      insecureHttp: false,
    },
    { code: new Secret('the-code'), redirectUri, codeVerifier: new Secret('v'.repeat(43)) },
    wireForTest({ transport }),
  )
  expect(Object.fromEntries(new URLSearchParams(seen[0]!.body))).toEqual({
    grant_type: 'authorization_code',
    code: 'the-code',
    redirect_uri: redirectUri,
    code_verifier: 'v'.repeat(43),
    client_id: 'client-1',
  })
  expect(answer).toEqual({ kind: 'error', status: 400, error: 'invalid_grant', description: 'code [secret]' })
})
