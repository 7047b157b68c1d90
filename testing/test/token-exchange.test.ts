import { SignJWT } from 'jose'
import { afterEach, expect, test } from 'vitest'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { basic, post } from './requests.ts'

const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'
const access_token = 'urn:ietf:params:oauth:token-type:access_token'
const jwt = 'urn:ietf:params:oauth:token-type:jwt'
const start = 1_800_000_000_000
const service = basic('practice-service', 'practice-service-secret')

let server: PracticeServer
let now = start
afterEach(() => server.stop())

const started = async (): Promise<void> => {
  now = start
  server = await startPracticeServer({ now: () => now })
}

const sign = (claims: object = {}): Promise<string> =>
  new SignJWT({ iss: 'practice-issuer', sub: 'ann', aud: server.issuer, exp: start / 1000 + 300, ...claims })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode('practice-issuer-secret-of-32-bytes-or-more'))

test('a JWT of a known issuer is exchanged for an access token of its subject, as often as it comes', async () => {
  await started()
  const form = {
    grant_type,
    subject_token: await sign(),
    subject_token_type: jwt,
    scope: 'read',
    audience: 'api',
  }
  for (const _ of [1, 2]) {
    const { status, json } = await post(server, form, service)
    expect(status).toBe(200)
    expect(json).toMatchObject({ issued_token_type: access_token, token_type: 'Bearer', scope: 'read' })
    expect(json).not.toHaveProperty('refresh_token')
    expect(server.introspect(String(json.access_token))).toMatchObject({
      client_id: 'practice-service',
      sub: 'ann',
      aud: ['api'],
    })
  }
})

test('a token of the server itself is exchanged while it lives, with another to act for it', async () => {
  await started()
  const { json } = await post(server, { grant_type: 'client_credentials' }, service)
  const subject = { subject_token: String(json.access_token), subject_token_type: access_token }
  const actor = { actor_token: await sign({ sub: 'bob' }), actor_token_type: jwt }
  const exchanged = await post(server, { grant_type, ...subject, ...actor }, service)
  expect(server.introspect(String(exchanged.json.access_token))).toMatchObject({ sub: 'practice-service' })
  now += 3_600_001
  expect(await post(server, { grant_type, ...subject }, service)).toMatchObject({
    status: 400,
    json: {
      error: 'invalid_request',
      error_description: 'the access token is expired, revoked or not known',
    },
  })
})

test.each<[string, object, string]>([
  ['no subject', { subject_token: '' }, 'the parameter subject_token is missing'],
  ['no type', { subject_token_type: '' }, 'the parameter subject_token_type is missing'],
  ['another type', { subject_token_type: 'urn:x:y' }, 'that type of token is not exchanged here'],
  ['a type of an actor alone', { actor_token_type: jwt }, 'actor_token_type stands without actor_token'],
  ['a wish for another type', { requested_token_type: jwt }, 'the requested_token_type is not issued here'],
  ['something that is no JWT', { subject_token: 'x' }, 'the assertion is not a JWT'],
])('%s is refused', async (_, changed, description) => {
  await started()
  const form = { grant_type, subject_token: await sign(), subject_token_type: jwt, ...changed }
  expect(await post(server, form, service)).toMatchObject({
    status: 400,
    json: { error: 'invalid_request', error_description: description },
  })
})

test('a client that is not registered for it is refused', async () => {
  await started()
  const form = { grant_type, subject_token: await sign(), subject_token_type: jwt }
  expect(await post(server, { ...form, client_id: 'practice-app' })).toMatchObject({
    status: 400,
    json: { error: 'unauthorized_client' },
  })
})
