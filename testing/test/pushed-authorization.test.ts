import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { consent, type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { authorizationUrl, type Got, post, redirectUri, verifier } from './requests.ts'

let server: PracticeServer
let now: number
beforeEach(async () => {
  now = 1_800_000_000_000
  server = await startPracticeServer({ now: () => now, requirePushedAuthorization: true })
})
afterEach(() => server.stop())

const asked = {
  response_type: 'code',
  client_id: 'practice-app',
  redirect_uri: redirectUri,
  scope: 'read',
  state: 'state-1',
  code_challenge: createHash('sha256').update(verifier).digest('base64url'),
  code_challenge_method: 'S256',
}
const push = (change: Record<string, string> = {}): Promise<Got> =>
  post(server, { ...asked, ...change }, {}, '/par')

/** The authorization URL that refers to what was pushed. */
async function pushed(more: Record<string, string> = {}): Promise<string> {
  const { json } = await push()
  const query = { client_id: 'practice-app', request_uri: String(json.request_uri), ...more }
  return `${server.authorizationEndpoint}?${new URLSearchParams(query)}`
}

test('a request that is in order gets a reference for a minute', async () => {
  const { status, headers, json } = await push()
  expect(status).toBe(201)
  expect(headers.get('cache-control')).toBe('no-store')
  expect(json).toEqual({
    request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:practice_request_[\w-]{32}$/),
    expires_in: 60,
  })
})

test('the metadata names the endpoint, and says whether there is another way', async () => {
  const named = async ({ issuer }: PracticeServer): Promise<unknown> =>
    (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json()
  expect(await named(server)).toMatchObject({
    pushed_authorization_request_endpoint: server.pushedAuthorizationRequestEndpoint,
    require_pushed_authorization_requests: true,
  })
  await using free = await startPracticeServer()
  expect(await named(free)).toMatchObject({ require_pushed_authorization_requests: false })
})

test.each([
  ['another redirect URI', { redirect_uri: 'https://evil.example/' }, 400, 'invalid_request'],
  ['no challenge', { code_challenge: '' }, 400, 'invalid_request'],
  ['a malformed scope', { scope: 'a"b' }, 400, 'invalid_scope'],
  ['a reference to another', { request_uri: 'urn:x:1' }, 400, 'invalid_request'],
  ['an unknown client', { client_id: 'nobody' }, 401, 'invalid_client'],
  ['a client without its secret', { client_id: 'practice-web' }, 401, 'invalid_client'],
])('%s is refused at once', async (_name, change, status, error) => {
  const got = await push(change)
  expect([got.status, got.json.error]).toEqual([status, error])
})

test('what was pushed counts, not what stands in the URL', async () => {
  const url = await pushed({ redirect_uri: 'https://evil.example/', state: 'other', scope: 'write' })
  const returned = new URL(await consent(url))
  expect(returned.origin + returned.pathname).toBe(redirectUri)
  expect(returned.searchParams.get('state')).toBe('state-1')
  const form = { grant_type: 'authorization_code', client_id: 'practice-app', redirect_uri: redirectUri }
  const code = returned.searchParams.get('code') ?? ''
  const { json } = await post(server, { ...form, code, code_verifier: verifier })
  expect(json).toMatchObject({ scope: 'read' })
})

test('a reference is good once', async () => {
  const decided = await pushed()
  await consent(decided)
  await expect(consent(decided)).rejects.toThrow('request_uri is unknown, was used')
  const shown = await pushed()
  expect((await fetch(shown)).status).toBe(200)
  await expect(consent(shown)).rejects.toThrow('request_uri was used')
})

test('a reference is good for a minute, and a person may think longer than that', async () => {
  const late = await pushed()
  now += 60_000
  await expect(consent(late)).rejects.toThrow('request_uri has expired')
  const url = await pushed()
  expect((await fetch(url)).status).toBe(200)
  now += 120_000
  const body = new URLSearchParams({ decision: 'allow' })
  const decide = () => fetch(url, { method: 'POST', body, redirect: 'manual' })
  expect((await decide()).status).toBe(303)
  expect((await decide()).status).toBe(400)
})

test('nobody decides about what no page has shown', async () => {
  const body = new URLSearchParams({ decision: 'allow' })
  const { status } = await fetch(await pushed(), { method: 'POST', body, redirect: 'manual' })
  expect(status).toBe(400)
})

test('a reference is of the client that pushed it', async () => {
  await expect(consent(await pushed({ client_id: 'practice-web' }))).rejects.toThrow('of another client')
})

test('a request in the URL is shown to nobody where it must be pushed', async () => {
  await expect(consent(authorizationUrl(server))).rejects.toThrow('must be pushed')
})
