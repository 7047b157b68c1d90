import { describe, expect, test } from 'vitest'
import { authorizationRequest } from '../../src/oauth/authorization-code.ts'
import { checkIdToken } from '../../src/oauth/id-token.ts'
import type { ConsentDialect } from '../../src/providers/profile.ts'
import { Secret } from '../../src/secret.ts'

const now = 1_800_000_000_000
const seconds = now / 1000
const expected = { issuer: 'https://auth.example', clientId: 'id-1', nonce: 'nonce-1', now }
const claims = { iss: 'https://auth.example', sub: 'ada', aud: 'id-1', exp: seconds + 60, nonce: 'nonce-1' }
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const tokenOf = (change: object): Secret =>
  new Secret(`${encoded({ alg: 'RS256' })}.${encoded({ ...claims, ...change })}.signature`)

/** What is said of an id_token with these claims; empty where it is believed. */
function said(change: object, expectation: Partial<typeof expected> = {}): string {
  try {
    checkIdToken(tokenOf(change), { ...expected, ...expectation })
    return ''
  } catch (error) {
    expect(error).toMatchObject({ code: 'id_token_invalid', advice: expect.any(String) })
    return (error as Error).message
  }
}

describe('an id_token (OpenID Connect Core 3.1.3.7)', () => {
  test.each<[string, object]>([
    ['as it is to be', {}],
    ['for several audiences, and authorized for this client', { aud: ['id-1', 'api'], azp: 'id-1' }],
    ['in a list of one', { aud: ['id-1'] }],
    ['with the one spelling of its issuer that Google has', { iss: 'auth.example' }],
    ['that ended within what two clocks may differ by', { exp: seconds - 299 }],
  ])('%s is believed', (_, change) => {
    expect(said(change)).toBe('')
  })

  test.each<[string, object]>([
    ['its iss is https://evil.example, not https://auth.example', { iss: 'https://evil.example' }],
    ['its iss is https://auth.example/, not', { iss: 'https://auth.example/' }],
    ['its iss is missing', { iss: undefined }],
    ['it has no sub', { sub: '' }],
    ['it has no sub', { sub: 7 }],
    ['its aud is another client', { aud: 'id-2' }],
    ['its aud is another client', { aud: undefined }],
    ['its azp is not this client', { aud: ['id-1', 'id-2'] }],
    ['its azp is not this client', { azp: 'id-2' }],
    ['it has expired', { exp: seconds - 300 }],
    ['it has expired', { exp: undefined }],
    ['its nonce is missing', { nonce: undefined }],
    ['its nonce is that of another login', { nonce: 'nonce-2' }],
  ])('is refused: %s', (message, change) => {
    expect(said(change)).toContain(message)
  })

  test('is not held against an issuer that nobody knows, nor a nonce that was not sent', () => {
    const { issuer: _, nonce: __, ...rest } = expected
    expect(checkIdToken(tokenOf({ iss: 'https://any.example', nonce: 'x' }), rest)).toBeUndefined()
  })

  test('that is no JWT is refused, and never shown', () => {
    const secret = new Secret('no-jwt-but-maybe-a-secret')
    expect(() => checkIdToken(secret, expected)).toThrow(/^(?!.*no-jwt).*it is no JWT/)
  })
})

describe('the nonce of an authorization request', () => {
  const asked = async (scope: readonly string[], consent?: ConsentDialect, parameters = {}) => {
    const server = {
      tokenEndpoint: 'https://a.example/token',
      authorizationEndpoint: 'https://a.example/auth',
    }
    const dialect = consent && { id: 'example', variables: {}, consent }
    const client = dialect === undefined ? { clientId: 'id-1' } : { clientId: 'id-1', dialect }
    const message = { redirectUri: 'https://app.example/callback', scope, parameters }
    const { url, nonce } = await authorizationRequest(server, client, message)
    return { nonce, sent: new URL(url).searchParams.get('nonce') }
  }

  test('goes along where openid is asked for, and is another each time', async () => {
    const [one, other] = [await asked(['openid']), await asked(['openid', 'email'])]
    expect(one.nonce).toMatch(/^[\w-]{43}$/)
    expect([one.sent, other.sent]).toEqual([one.nonce, other.nonce])
    expect(one.nonce).not.toBe(other.nonce)
  })

  test.each<[string, Parameters<typeof asked>, string | null]>([
    ['nobody asks who logs in', [['read']], null],
    ['a profile leaves it out', [['openid'], { parameters: { nonce: null } }], null],
    ['its user sets one of his own', [['openid'], undefined, { nonce: 'fixed' }], 'fixed'],
  ])('is not expected where %s', async (_, given, sent) => {
    expect(await asked(...given)).toEqual({ nonce: undefined, sent })
  })
})
