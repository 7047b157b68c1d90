import { generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { asks, basic, post } from './requests.ts'

const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const start = 1_800_000_000_000
const secret = new TextEncoder().encode('practice-issuer-secret-of-32-bytes-or-more')

let server: PracticeServer
let now: number
beforeEach(() => {
  now = start
})
afterEach(() => server.stop())

function sign(
  claims: Record<string, unknown>,
  key: Parameters<SignJWT['sign']>[0],
  header: { alg: string; kid?: string } = { alg: 'HS256' },
): Promise<string> {
  const seconds = start / 1000
  const whole = { sub: 'ann', aud: server.tokenEndpoint, iat: seconds, exp: seconds + 300, ...claims }
  return new SignJWT(whole).setProtectedHeader(header).sign(key)
}

test('an assertion of the ready-made issuer buys a token for its subject, once', async () => {
  server = await startPracticeServer({ now: () => now })
  const assertion = await sign({ iss: 'practice-issuer', jti: '1' }, secret)
  const { status, json } = await post(server, { grant_type, assertion, scope: 'read' })
  expect(status).toBe(200)
  expect(json).not.toHaveProperty('refresh_token')
  expect(await asks(server, json.access_token)).toMatchObject({
    json: { client_id: 'practice-issuer', sub: 'ann', scope: 'read' },
  })
  expect(await post(server, { grant_type, assertion })).toMatchObject({
    status: 400,
    json: { error: 'invalid_grant', error_description: 'the assertion was used before (jti)' },
  })
})

test('a client that authenticates beside the assertion owns the token', async () => {
  server = await startPracticeServer({ now: () => now })
  const assertion = await sign({ iss: 'practice-issuer', jti: '1' }, secret)
  const service = basic('practice-service', 'practice-service-secret')
  const { json } = await post(server, { grant_type, assertion }, service)
  expect(server.introspect(String(json.access_token))).toMatchObject({
    client_id: 'practice-service',
    sub: 'ann',
  })
  const another = await sign({ iss: 'practice-issuer', jti: '2' }, secret)
  expect(
    await post(server, { grant_type, assertion: another }, basic('practice-service', 'wrong')),
  ).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  expect(await post(server, { grant_type, assertion: another, client_id: 'practice-app' })).toMatchObject({
    status: 400,
    json: { error: 'unauthorized_client' },
  })
})

test.each<[string, Record<string, unknown>]>([
  ['of an unknown issuer', { iss: 'stranger' }],
  ['for another audience', { aud: 'https://other.example/token' }],
  ['that has expired', { exp: start / 1000 }],
  ['issued in the future', { iat: start / 1000 + 120 }],
  ['without a subject', { sub: undefined }],
  ['without jti', { jti: undefined }],
])('an assertion %s is an invalid grant', async (_, change) => {
  server = await startPracticeServer({ now: () => now })
  const assertion = await sign({ iss: 'practice-issuer', jti: '1', ...change }, secret)
  expect(await post(server, { grant_type, assertion })).toMatchObject({
    status: 400,
    json: { error: 'invalid_grant' },
  })
})

test('an issuer with several keys is verified by the kid', async () => {
  const one = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const two = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  server = await startPracticeServer({
    now: () => now,
    assertionIssuers: [
      { issuer: 'idp', algorithm: 'RS256', key: one.publicKey.export({ format: 'jwk' }), keyId: 'one' },
      { issuer: 'idp', algorithm: 'ES256', key: two.publicKey.export({ format: 'jwk' }), keyId: 'two' },
    ],
  })
  const status = async (jti: string, key: typeof one.privateKey, alg: string, kid: string) =>
    (await post(server, { grant_type, assertion: await sign({ iss: 'idp', jti }, key, { alg, kid }) })).status
  expect(await status('1', one.privateKey, 'RS256', 'one')).toBe(200)
  expect(await status('2', two.privateKey, 'ES256', 'two')).toBe(200)
  expect(await status('3', one.privateKey, 'RS256', 'two')).toBe(400)
  expect(await status('4', one.privateKey, 'RS256', 'three')).toBe(400)
})
