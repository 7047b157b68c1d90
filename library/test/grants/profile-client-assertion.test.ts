import { generateKeyPairSync } from 'node:crypto'
import { jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import { type AuthorizationCodeOptions, authorizationCode } from '../../src/grants/definition.ts'
import { authorizationCodeGrant } from '../../src/oauth/authorization-code.ts'
import { refreshTokenGrant } from '../../src/oauth/refresh-token.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

const now = 1_800_000_000_000
const issuedAt = now / 1000
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pemOf = ({ privateKey }: typeof ec): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const es256 = { algorithm: 'ES256', key: pemOf(ec), keyId: 'KEY1' } as const
const rs256 = { algorithm: 'RS256', key: pemOf(rsa) } as const

/** The forms of a code and of a refresh. */
async function forms(options: AuthorizationCodeOptions): Promise<Record<string, string>[]> {
  const requests: WireRequest[] = []
  const { client } = authorizationCode(options)
  const wire = {
    transport: async (request: WireRequest) => {
      requests.push(request)
      return { status: 200, headers: {}, body: '{"access_token":"at-1"}' }
    },
    now: () => now,
    deadline: 1000,
  }
  if (client.provider.kind !== 'endpoints') throw new Error('no endpoints')
  const server = client.provider.metadata
  const code = { code: new Secret('code-1'), redirectUri: 'https://app.example/cb' }
  await authorizationCodeGrant(server, client, code, wire)
  await refreshTokenGrant(server, client, { refreshToken: new Secret('rt-1') }, wire)
  for (const { headers } of requests) expect(headers).not.toHaveProperty('authorization')
  return requests.map(({ body }) => Object.fromEntries(new URLSearchParams(body)))
}

const verified = async (jwt: string | undefined, { publicKey }: typeof ec) =>
  jwtVerify(jwt ?? '', publicKey, { currentDate: new Date(now) })

describe('Apple, as the catalogue has it', () => {
  const apple = {
    profile: catalogueProfile('apple'),
    variables: { team_id: 'A1B2C3D4E5' },
    clientId: 'com.acme.web',
  }

  test('gets a client secret that is signed for each request with the key of the team', async () => {
    const sent = await forms({ ...apple, signingKey: es256 })
    for (const form of sent) {
      expect(form).not.toHaveProperty('client_assertion')
      expect(form).not.toHaveProperty('client_assertion_type')
      expect(form.client_id).toBe('com.acme.web')
      const { payload, protectedHeader } = await verified(form.client_secret, ec)
      expect(protectedHeader).toMatchObject({ alg: 'ES256', kid: 'KEY1' })
      expect(payload).toEqual({
        iss: 'A1B2C3D4E5',
        sub: 'com.acme.web',
        aud: 'https://appleid.apple.com',
        iat: issuedAt,
        exp: issuedAt + 300,
        jti: expect.any(String),
      })
    }
    expect(sent[0]?.client_secret).not.toBe(sent[1]?.client_secret)
    expect(sent.map(({ grant_type }) => grant_type)).toEqual(['authorization_code', 'refresh_token'])
  })

  test('takes a secret that somebody signed himself, in the form', async () => {
    const [form] = await forms({ ...apple, clientSecret: 'signed.by.hand' })
    expect(form).toMatchObject({ client_id: 'com.acme.web', client_secret: 'signed.by.hand' })
  })

  test('wants a key of its own algorithm, and the id of the team', () => {
    expect(() => authorizationCode({ ...apple, signingKey: rs256 })).toThrow(
      'signingKey.algorithm is RS256, and profile apple wants ES256',
    )
    expect(() => authorizationCode({ ...apple, variables: {}, signingKey: es256 })).toThrow(
      'needs the variable team_id',
    )
  })
})

test('Revolut Business gets an assertion whose issuer is the host of the redirect URI', async () => {
  const sent = await forms({
    profile: catalogueProfile('revolut-business'),
    variables: { redirect_host: 'app.example' },
    clientId: 'revolut-1',
    signingKey: rs256,
  })
  for (const form of sent) {
    expect(form).toMatchObject({
      client_id: 'revolut-1',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    })
    const { payload, protectedHeader } = await verified(form.client_assertion, rsa)
    expect(protectedHeader.alg).toBe('RS256')
    expect(payload).toMatchObject({ iss: 'app.example', sub: 'revolut-1', aud: 'https://revolut.com' })
  }
})

test('what is left out is as RFC 7523 has it, and the audience that a client asks for stands over the profile’s', async () => {
  const profile: ProviderProfile = {
    id: 'example',
    name: 'Example',
    token_url: 'https://provider.example/token',
    authorization_url: 'https://provider.example/authorize',
    client_authentication: 'private_key_jwt',
    client_assertion: { parameter: 'jwt' },
  }
  const options = { profile, clientId: 'c', signingKey: rs256 }
  const claimsOf = async (
    more: Partial<AuthorizationCodeOptions>,
    changed: Partial<ProviderProfile> = {},
  ) => {
    const [form] = await forms({ ...options, ...more, profile: { ...profile, ...changed } })
    return (await verified(form?.jwt, rsa)).payload
  }
  const usual = { iss: 'c', sub: 'c', aud: profile.token_url, exp: issuedAt + 60 }
  expect(await claimsOf({})).toMatchObject(usual)
  const client_assertion = { parameter: 'jwt', audience: 'urn:them' }
  expect(await claimsOf({}, { client_assertion })).toMatchObject({ aud: 'urn:them' })
  expect(
    await claimsOf({ clientAssertionAudience: ['token_endpoint', 'x'] }, { client_assertion }),
  ).toMatchObject({
    aud: [profile.token_url, 'x'],
  })
})
