import { inspect } from 'node:util'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ClientRegistration } from '../../src/oauth/client.ts'
import { refreshTokenGrant } from '../../src/oauth/refresh-token.ts'
import { readTokenAnswer } from '../../src/oauth/token-response.ts'
import { Secret } from '../../src/secret.ts'

const server = { tokenEndpoint: 'https://provider.example/token' }
const refreshToken = 'rt-8Jh2+kQ/x9_ZpLw0=4tYvB7'
const clientSecret = 'Zk3:&mN%q8!sÄ'

/** Texts that a hostile or careless provider makes of our secrets. */
const quoted = fc
  .tuple(fc.string(), fc.constantFrom(refreshToken, clientSecret), fc.string())
  .chain(([before, secret, after]) =>
    fc.constantFrom(
      `${before}${secret}${after}`,
      `${before}${encodeURIComponent(secret)}${after}`,
      `${before}${secret.slice(0, 3)}\u0000\u200b${secret.slice(3)}${after}`,
      secret,
      `${secret}${secret}`,
    ),
  )
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), quoted)
const value = fc.oneof(
  { weight: 3, arbitrary: text },
  { weight: 1, arbitrary: fc.jsonValue() },
  { weight: 1, arbitrary: fc.array(text) },
)
const names = [
  'access_token token_type expires_in refresh_token scope id_token error error_description ok __proto__'.split(
    ' ',
  ),
].flat()
const answer = fc.oneof(
  fc.dictionary(fc.constantFrom(...names), value).map((object) => JSON.stringify(object)),
  fc
    .record({ access_token: fc.stringMatching(/^[\x21-\x7e]{1,40}$/), scope: value, token_type: value })
    .map((o) => JSON.stringify(o)),
  fc.json(),
  text,
)
const headers = fc.dictionary(fc.constantFrom('retry-after', 'date', 'content-type'), text)

test('whatever a provider answers, nothing is thrown, no token is malformed, no sent secret is shown', async () => {
  await fc.assert(
    fc.asyncProperty(
      answer,
      fc.integer({ min: 200, max: 599 }),
      headers,
      fc.constantFrom('client_secret_basic' as const, 'client_secret_post' as const),
      async (body, status, received, method) => {
        const client: ClientRegistration = {
          provider: { kind: 'endpoints', metadata: server },
          clientId: 'client',
          authentication: { method, secret: new Secret(clientSecret) },
          insecureHttp: false,
        }
        const transport = async () => ({ status, headers: received, body })
        const wire = { transport, now: () => 0, deadline: 1000 }
        const result = await refreshTokenGrant(
          server,
          client,
          { refreshToken: new Secret(refreshToken) },
          wire,
        )
        const visible = inspect(result, { depth: 9, maxStringLength: null }) + JSON.stringify(result)
        for (const secret of [refreshToken, clientSecret]) {
          expect(visible.includes(secret)).toBe(false)
          expect(visible.includes(encodeURIComponent(secret))).toBe(false)
        }
        if (result.kind === 'tokens') {
          expect(status).toBeLessThan(300)
          expect(result.response.accessToken.reveal()).toMatch(/^[\x21-\x7e]{1,16384}$/)
          expect(result.response.refreshToken?.reveal() ?? 'x').toMatch(/^[\x20-\x7e]{1,16384}$/)
          expect(result.response.expiresIn ?? 1).toBeGreaterThanOrEqual(1)
        }
        if (result.kind === 'error') {
          expect(result.error.length).toBeLessThanOrEqual(100)
          expect((result.description ?? '').length).toBeLessThanOrEqual(500)
          expect(`${result.error}${result.description ?? ''}`).not.toMatch(/[\p{Cc}\p{Cs}]/u)
        }
        if (result.kind === 'error' || result.kind === 'unusable')
          expect(result.retryAfter ?? 0).toBeGreaterThanOrEqual(0)
      },
    ),
    { numRuns: 2000 },
  )
})

test('every well-formed token response gives its tokens, unchanged', () => {
  const token = fc.stringMatching(/^[\x21-\x7e]{1,200}$/)
  fc.assert(
    fc.property(token, token, fc.integer({ min: 1, max: 10_000_000 }), (access, refresh, expiresIn) => {
      const body = JSON.stringify({ access_token: access, refresh_token: refresh, expires_in: expiresIn })
      const result = readTokenAnswer({ status: 200, headers: {}, body }, [access, refresh], 0)
      if (result.kind !== 'tokens') throw new Error(result.kind)
      expect(result.response.accessToken.reveal()).toBe(access)
      expect(result.response.refreshToken?.reveal()).toBe(refresh)
      expect(result.response.expiresIn).toBe(expiresIn)
      expect(result.response.whole.reveal()).toBe(body)
    }),
  )
})
