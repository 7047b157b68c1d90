import { generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { basic, post } from './requests.ts'

const oddSecret = 's3cret: +%/ü&='
const jwtSecret = 'a-secret-of-at-least-32-bytes-for-hs256'
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed = generateKeyPairSync('ed25519')
const start = 1_800_000_000_000

let server: PracticeServer
beforeEach(async () => {
  server = await startPracticeServer({
    now: () => start,
    clients: [
      { clientId: 'odd: client', authentication: { method: 'client_secret_basic', secret: oddSecret } },
      { clientId: 'poster', authentication: { method: 'client_secret_post', secret: oddSecret } },
      { clientId: 'hmac', authentication: { method: 'client_secret_jwt', secret: jwtSecret } },
      {
        clientId: 'ec',
        authentication: {
          method: 'private_key_jwt',
          algorithm: 'ES256',
          key: ec.publicKey.export({ format: 'jwk' }),
          keyId: 'k1',
        },
      },
      {
        clientId: 'rsa',
        authentication: {
          method: 'private_key_jwt',
          algorithm: 'RS256',
          key: rsa.publicKey.export({ format: 'pem', type: 'spki' }).toString(),
        },
      },
      {
        clientId: 'ed',
        authentication: {
          method: 'private_key_jwt',
          algorithm: 'EdDSA',
          key: JSON.stringify(ed.publicKey.export({ format: 'jwk' })),
        },
      },
    ],
  })
})
afterEach(() => server.stop())

const grant = { grant_type: 'client_credentials' }
const refused = { status: 401, json: { error: 'invalid_client' } }

describe('client_secret_basic', () => {
  test('id and secret are form-decoded after the Base64', async () => {
    expect((await post(server, grant, basic('odd: client', oddSecret))).status).toBe(200)
  })

  test('a secret that was not form-encoded is another secret', async () => {
    const raw = Buffer.from(`odd%3A+client:${oddSecret.replace('%', '%25')}`).toString('base64')
    expect(await post(server, grant, { authorization: `Basic ${raw}` })).toMatchObject(refused)
  })

  test.each([
    ['a wrong secret', basic('odd: client', 'wrong')],
    ['an unknown client', basic('nobody', oddSecret)],
    ['another scheme', { authorization: 'Bearer x' }],
    ['credentials without a colon', { authorization: `Basic ${btoa('odd')}` }],
    ['broken percent encoding', { authorization: `Basic ${btoa('odd%3:x')}` }],
  ])('%s is answered 401 with a challenge', async (_, headers) => {
    const answer = await post(server, grant, headers)
    expect(answer).toMatchObject(refused)
    expect(answer.headers.get('www-authenticate')).toBe('Basic realm="practice server"')
  })
})

describe('client_secret_post', () => {
  test('id and secret stand in the form', async () => {
    const form = { ...grant, client_id: 'poster', client_secret: oddSecret }
    expect((await post(server, form)).status).toBe(200)
    expect(await post(server, { ...form, client_secret: 'wrong' })).toMatchObject(refused)
    expect(await post(server, { ...grant, client_id: 'poster' })).toMatchObject(refused)
  })

  test('a client may not use another method than its own', async () => {
    expect(await post(server, grant, basic('poster', oddSecret))).toMatchObject(refused)
    expect(
      await post(server, { ...grant, client_id: 'odd: client', client_secret: oddSecret }),
    ).toMatchObject(refused)
  })

  test('two methods in one request are refused', async () => {
    const form = { ...grant, client_id: 'poster', client_secret: oddSecret }
    expect(await post(server, form, basic('poster', oddSecret))).toMatchObject({
      status: 400,
      json: { error: 'invalid_request' },
    })
  })
})

let jti = 0
interface Change {
  claims?: Record<string, unknown>
  header?: { alg?: string; kid?: string }
}

type Key = Parameters<SignJWT['sign']>[0]

/** A client assertion with everything in order but for the change. */
function assertion(
  clientId: string,
  alg: string,
  key: Key,
  { claims, header }: Change = {},
): Promise<string> {
  const seconds = start / 1000
  jti += 1
  return new SignJWT({
    iss: clientId,
    sub: clientId,
    aud: server.issuer,
    iat: seconds,
    exp: seconds + 60,
    jti: `jti-${jti}`,
    ...claims,
  })
    .setProtectedHeader({ alg, ...header })
    .sign(key)
}

function assertionForm(text: string): Record<string, string> {
  return {
    ...grant,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: text,
  }
}

describe('client_secret_jwt and private_key_jwt', () => {
  const secret = new TextEncoder().encode(jwtSecret)

  test.each<[string, string, Key, Change]>([
    ['hmac', 'HS256', secret, {}],
    ['ec', 'ES256', ec.privateKey, { header: { kid: 'k1' } }],
    ['rsa', 'RS256', rsa.privateKey, {}],
    ['ed', 'EdDSA', ed.privateKey, {}],
    ['ed', 'Ed25519', ed.privateKey, {}],
  ])('client %s authenticates with %s', async (clientId, alg, key, change) => {
    const form = assertionForm(await assertion(clientId, alg, key, change))
    expect((await post(server, form)).status).toBe(200)
    expect(server.requests.at(-1)).toMatchObject({ clientId, outcome: 'issued' })
  })

  test('the token endpoint is an audience as good as the issuer, alone or in a list', async () => {
    for (const aud of [server.tokenEndpoint, ['https://other.example', server.tokenEndpoint]])
      expect(
        (await post(server, assertionForm(await assertion('hmac', 'HS256', secret, { claims: { aud } }))))
          .status,
      ).toBe(200)
  })

  const seconds = start / 1000
  test.each<[string, Change]>([
    ['for another audience', { claims: { aud: 'https://other.example' } }],
    ['of another issuer', { claims: { iss: 'ec' } }],
    ['that has expired', { claims: { exp: seconds } }],
    ['without an expiry', { claims: { exp: undefined } }],
    ['that expires in two hours', { claims: { exp: seconds + 7200 } }],
    ['issued in the future', { claims: { iat: seconds + 61 } }],
    ['not valid yet', { claims: { nbf: seconds + 61 } }],
    ['without jti', { claims: { jti: undefined } }],
    ['with another algorithm', { header: { alg: 'HS512' } }],
  ])('an assertion %s is refused', async (_, change) => {
    const form = assertionForm(await assertion('hmac', 'HS256', secret, change))
    expect(await post(server, form)).toMatchObject(refused)
  })

  test('an assertion signed by another key, or under another kid, is refused', async () => {
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const k1 = { header: { kid: 'k1' } }
    for (const text of [
      await assertion('ec', 'ES256', other, k1),
      await assertion('ec', 'ES256', ec.privateKey, { header: { kid: 'k2' } }),
      await assertion('ec', 'ES256', ec.privateKey),
      'not.a.jwt',
      'nonsense',
    ])
      expect(await post(server, assertionForm(text))).toMatchObject(refused)
  })

  test('an assertion works once, also when it comes twice at the same time', async () => {
    const form = assertionForm(await assertion('hmac', 'HS256', secret))
    const answers = await Promise.all([post(server, form), post(server, form), post(server, form)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401])
  })

  test('client_id beside an assertion must be the same client', async () => {
    const form = assertionForm(await assertion('hmac', 'HS256', secret))
    expect(await post(server, { ...form, client_id: 'ec' })).toMatchObject(refused)
    expect((await post(server, { ...form, client_id: 'hmac' })).status).toBe(200)
  })
})

test('a request without any client is refused', async () => {
  expect(await post(server, grant)).toMatchObject(refused)
})

test('a client id that is not registered does not enter the record: it may be a secret by mistake', async () => {
  await post(server, { ...grant, client_id: oddSecret, client_secret: 'poster' })
  expect(server.requests[0]).not.toHaveProperty('clientId')
  expect(JSON.stringify(server.requests)).not.toContain('s3cret')
})

describe('a client secret that is being rotated', () => {
  const statuses = async (...secrets: string[]) => {
    const answers = secrets.map((secret) => post(server, grant, basic('odd: client', secret)))
    return (await Promise.all(answers)).map(({ status }) => status)
  }

  test('is good beside the one that takes its place, until it ends', async () => {
    server.setClientSecret('odd: client', [oddSecret, 'next'])
    expect(await statuses(oddSecret, 'next', 'another')).toEqual([200, 200, 401])
    server.setClientSecret('odd: client', 'next')
    expect(await statuses(oddSecret, 'next')).toEqual([401, 200])
  })

  test.each([
    ['nobody', 'x', /nobody is not registered/],
    ['ec', 'x', /ec: it has no secret/],
    ['poster', '', /poster: the secret is empty/],
    ['poster', [], /poster: the secret is empty/],
    ['poster', ['x', ''], /poster: the secret is empty/],
  ])('of %s cannot become %j', (clientId, secret, problem) => {
    expect(() => server.setClientSecret(clientId, secret)).toThrow(TypeError)
    expect(() => server.setClientSecret(clientId, secret)).toThrow(problem)
  })
})
