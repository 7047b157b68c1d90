// Tokens that are bound to a key (RFC 9449), at a certified server that wants its nonce in every proof.

import { type AccessToken, clientCredentials, type Keeper } from 'evertoken'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { secrets } from './clients.ts'
import { consent, login, testKeeper } from './login.ts'
import { type OidcProvider, startOidcProvider } from './provider-process.ts'

let provider: OidcProvider
let keeper: Keeper
let before = 0
beforeAll(async () => {
  provider = await startOidcProvider({ lifetime: 60, dpopNonce: true })
})
afterAll(() => provider[Symbol.asyncDispose]())
beforeEach(async () => {
  before = provider.requests().length
  keeper = await testKeeper()
})

/** What became of each token request of this test. */
const outcomes = () =>
  provider
    .requests()
    .slice(before)
    .map(({ outcome, error }) => error ?? outcome)

/** Asks the userinfo endpoint, which is an API that wants bound tokens proved. */
async function userinfo(token: AccessToken): Promise<Response> {
  const request = { method: 'GET', url: `${provider.issuer}/me` }
  const { proof, scheme } = token.presentation ?? {}
  if (proof === undefined) throw new Error('the token is not bound')
  const ask = async () =>
    fetch(request.url, {
      headers: { authorization: `${scheme} ${token.value}`, dpop: await proof.of(request) },
    })
  const answer = await ask()
  const nonce = answer.headers.get('dpop-nonce')
  return answer.status === 401 && nonce !== null && proof.heard(request.url, nonce) ? ask() : answer
}

test('client credentials give a token that is bound, after one refusal for the nonce', async () => {
  const client = { clientId: 'basic', clientSecret: secrets.basic, issuer: provider.issuer }
  await keeper.add('billing', clientCredentials({ ...client, scope: 'api:read', dpop: true }))
  const first = await keeper.getToken('billing')
  const second = await keeper.refresh('billing')
  expect([first.type, second.type]).toEqual(['DPoP', 'DPoP'])
  const told = await provider.introspect(second.value)
  expect(told.cnf?.jkt).toMatch(/^[\w-]{43}$/)
  expect((await provider.introspect(first.value)).cnf).toEqual(told.cnf)
  expect(outcomes()).toEqual(['use_dpop_nonce', 'success', 'success'])
})

test.each([
  ['a public client, whose refresh token is bound too', { clientId: 'public', clientSecret: undefined }],
  ['a client with a secret', { clientId: 'basic', clientSecret: secrets.basic }],
])('the login of %s goes on, and its tokens are good with a proof alone', async (_name, client) => {
  await keeper.add('work', login(provider.issuer, { ...client, dpop: true }))
  await consent(keeper, 'work')
  const first = await keeper.getToken('work')
  for (let count = 0; count < 3; count++) await keeper.refresh('work')
  const token = await keeper.getToken('work')
  expect(token).toMatchObject({ type: 'DPoP', generation: 4 })
  expect((await provider.introspect(token.value)).cnf).toEqual((await provider.introspect(first.value)).cnf)
  const answer = await userinfo(token)
  expect([answer.status, await answer.json()]).toEqual([200, { sub: 'alice' }])
  const plain = await fetch(`${provider.issuer}/me`, { headers: { authorization: `Bearer ${token.value}` } })
  expect(plain.status).toBe(401)
  expect(outcomes().filter((outcome) => outcome !== 'use_dpop_nonce')).toEqual(Array(4).fill('success'))
  expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0, senderConstrained: true })
  expect(await keeper.validate('work')).toMatchObject({ valid: true })
})

test('a consent whose request is pushed is proved there too', async () => {
  await keeper.add('work', login(provider.issuer, { dpop: true, pushedAuthorization: true }))
  expect(await consent(keeper, 'work')).toMatchObject({ state: 'active', senderConstrained: true })
})
