import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { consent, type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import {
  asks,
  authorizationUrl,
  codeForm,
  login,
  post,
  redirectUri,
  refresh,
  tokensOf,
  verifier,
} from './requests.ts'

let server: PracticeServer
let now: number
beforeEach(async () => {
  now = 1_800_000_000_000
  server = await startPracticeServer({ now: () => now })
})
afterEach(() => server.stop())

describe('the authorization endpoint', () => {
  test('consent redirects with code, state and issuer', async () => {
    const returned = new URL(await server.consent(authorizationUrl(server)))
    expect(returned.origin + returned.pathname).toBe(redirectUri)
    expect(Object.fromEntries(returned.searchParams)).toEqual({
      code: expect.stringMatching(/^practice_code_[\w-]{32}$/),
      state: 'state-1',
      iss: server.issuer,
    })
  })

  test('a denial redirects with access_denied, state and issuer', async () => {
    const returned = new URL(await server.consent(authorizationUrl(server), { deny: true }))
    expect(Object.fromEntries(returned.searchParams)).toEqual({
      error: 'access_denied',
      error_description: 'the person denied the request',
      state: 'state-1',
      iss: server.issuer,
    })
  })

  test.each([
    ['no response_type', { response_type: undefined }, 'invalid_request'],
    ['a token instead of a code', { response_type: 'token' }, 'unsupported_response_type'],
    ['no code_challenge', { code_challenge: undefined }, 'invalid_request'],
    ['PKCE plain', { code_challenge_method: 'plain' }, 'invalid_request'],
    ['no code_challenge_method, which means plain', { code_challenge_method: undefined }, 'invalid_request'],
    ['a challenge that is no hash', { code_challenge: 'short' }, 'invalid_request'],
    ['a malformed scope', { scope: 'a"b' }, 'invalid_scope'],
    ['a resource that is no URI', { resource: 'none' }, 'invalid_target'],
  ])('%s goes back to the client as an error', async (_, change, error) => {
    const returned = new URL(await server.consent(authorizationUrl(server, change)))
    expect(returned.searchParams.get('error')).toBe(error)
    expect(returned.searchParams.get('state')).toBe('state-1')
    expect(returned.searchParams.get('iss')).toBe(server.issuer)
    expect(returned.searchParams.has('code')).toBe(false)
  })

  test.each([
    ['an unknown client', { client_id: 'nobody' }],
    ['another path', { redirect_uri: 'http://127.0.0.1:49152/other' }],
    ['another host', { redirect_uri: 'http://127.0.0.2:49152/callback' }],
    ['localhost, which is a name', { redirect_uri: 'http://localhost:49152/callback' }],
    ['a fragment', { redirect_uri: 'http://127.0.0.1:49152/callback#x' }],
    ['a query', { redirect_uri: 'http://127.0.0.1:49152/callback?x=1' }],
    ['user information', { redirect_uri: 'http://127.0.0.1:49152@evil.example/callback' }],
    ['a port that is none', { redirect_uri: 'http://127.0.0.1:99999/callback' }],
    ['no redirect URI where two are registered', { redirect_uri: undefined }],
  ])('%s is shown to the person and redirects nobody', async (_, change) => {
    const answer = await fetch(authorizationUrl(server, change), { redirect: 'manual' })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('location')).toBeNull()
    expect(await answer.text()).toContain('refused this request')
  })

  test('a redirect URI that is not loopback is compared with its port; a single one may be left out', async () => {
    await server.stop()
    server = await startPracticeServer({
      clients: [
        {
          clientId: 'site',
          authentication: { method: 'none' },
          redirectUris: ['https://site.example/callback?tenant=1'],
          grantTypes: ['authorization_code'],
        },
      ],
    })
    const url = (redirect_uri: string | undefined) =>
      authorizationUrl(server, { client_id: 'site', redirect_uri })
    await expect(consent(url('https://site.example:8443/callback?tenant=1'))).rejects.toThrow(
      'redirect_uri is not registered',
    )
    const returned = new URL(await consent(url(undefined)))
    expect(returned.origin).toBe('https://site.example')
    expect(returned.searchParams.get('tenant')).toBe('1')
    const form = {
      grant_type: 'authorization_code',
      client_id: 'site',
      code: returned.searchParams.get('code') ?? '',
      code_verifier: verifier,
    }
    const { status, json } = await post(server, form)
    expect(status).toBe(200)
    expect(json).not.toHaveProperty('refresh_token')
  })
})

describe('the exchange of a code', () => {
  test('gives tokens for the person who consented', async () => {
    const { access, refresh: token } = await login(server, 'ann')
    expect(await asks(server, access)).toMatchObject({
      status: 200,
      json: { client_id: 'practice-app', sub: 'ann', scope: 'read write' },
    })
    expect((await refresh(server, token)).status).toBe(200)
  })

  test.each([
    ['the verifier is another', { code_verifier: 'w'.repeat(43) }, 'invalid_grant'],
    ['the verifier is too short', { code_verifier: 'v'.repeat(42) }, 'invalid_request'],
    ['the verifier is missing', { code_verifier: '' }, 'invalid_request'],
    ['the redirect URI has another port', { redirect_uri: 'http://127.0.0.1:1/callback' }, 'invalid_grant'],
    ['the redirect URI is missing', { redirect_uri: '' }, 'invalid_grant'],
    ['the code is unknown', { code: 'practice_code_x' }, 'invalid_grant'],
    [
      'the client is another',
      { client_id: 'practice-web', client_secret: 'practice-web-secret' },
      'invalid_grant',
    ],
  ])('fails when %s, and the right request still succeeds', async (_, change, error) => {
    const form = await codeForm(server)
    expect(await post(server, { ...form, ...change })).toMatchObject({ status: 400, json: { error } })
    expect((await post(server, form)).status).toBe(200)
  })

  test('fails when the code has expired', async () => {
    const form = await codeForm(server)
    now += 60_000
    expect(await post(server, form)).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant', error_description: 'the code has expired' },
    })
  })

  test('a code used twice revokes everything it gave, also what was refreshed since', async () => {
    const form = await codeForm(server)
    const first = tokensOf(await post(server, form))
    const second = tokensOf(await refresh(server, first.refresh))
    now += 600_000
    const third = tokensOf(await refresh(server, second.refresh))
    expect(await post(server, form)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
    expect((await asks(server, third.access)).status).toBe(401)
    expect((await refresh(server, third.refresh)).json.error_description).toBe(
      'the login is revoked: code_reused',
    )
  })
})
