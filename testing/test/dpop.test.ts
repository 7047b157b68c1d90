import { generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  consent,
  type PracticeServer,
  type PracticeServerOptions,
  startPracticeServer,
} from '../src/practice-server.ts'
import { athOf, type Prover, prover } from './proofs.ts'
import { authorizationUrl, basic, type Got, post, redirectUri, tokensOf, verifier } from './requests.ts'

let now: number
beforeEach(() => {
  now = 1_800_000_000_000
})

async function started(options: PracticeServerOptions = {}): Promise<{ server: PracticeServer; me: Prover }> {
  const server = await startPracticeServer({ now: () => now, ...options })
  onTestFinished(() => server.stop())
  return { server, me: await prover(() => now) }
}

const service = basic('practice-service', 'practice-service-secret')
const mint = (server: PracticeServer, dpop?: string): Promise<Got> =>
  post(server, { grant_type: 'client_credentials' }, { ...service, ...(dpop === undefined ? {} : { dpop }) })

/** A token that is bound to a prover's key. */
async function bound(server: PracticeServer, by: Prover): Promise<string> {
  return tokensOf(await mint(server, await by.proof('POST', server.tokenEndpoint))).access
}

async function whoami(server: PracticeServer, authorization: string, dpop?: string): Promise<Got> {
  const headers = { authorization, ...(dpop === undefined ? {} : { dpop }) }
  const answer = await fetch(`${server.issuer}/api/whoami`, { headers })
  return { status: answer.status, headers: answer.headers, json: (await answer.json()) as Got['json'] }
}

test('a proved request gets a token that is bound to its key, and introspection names the key', async () => {
  const { server, me } = await started()
  const { status, json } = await mint(server, await me.proof('POST', server.tokenEndpoint))
  expect([status, json.token_type]).toEqual([200, 'DPoP'])
  expect(server.introspect(String(json.access_token))).toMatchObject({
    active: true,
    token_type: 'DPoP',
    cnf: { jkt: me.jkt },
  })
})

test('without a proof it is a Bearer token as before, unless the client must prove', async () => {
  const { server } = await started()
  expect((await mint(server)).json).toMatchObject({ token_type: 'Bearer' })
  const clients = [
    {
      clientId: 'practice-service',
      authentication: { method: 'client_secret_basic', secret: 'practice-service-secret' },
      dpopBoundAccessTokens: true,
    },
  ] as const
  const { server: strict, me } = await started({ clients })
  expect(await mint(strict)).toMatchObject({ status: 400, json: { error: 'invalid_dpop_proof' } })
  expect((await mint(strict, await me.proof('POST', strict.tokenEndpoint))).status).toBe(200)
})

describe('a proof is refused', () => {
  const seconds = (): number => Math.floor(now / 1000)
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  test.each<[string, (me: Prover, at: string) => Promise<string>, string]>([
    ['for another method', (me, at) => me.proof('GET', at), 'htm'],
    ['for another path', (me, at) => me.proof('POST', `${at}x`), 'htu'],
    ['for another host', (me) => me.proof('POST', 'https://elsewhere.example/token'), 'htu'],
    ['with an htu that is no address', (me) => me.proof('POST', '/token'), 'htu'],
    ['made too long ago', (me, at) => me.proof('POST', at, { iat: seconds() - 61 }), 'iat'],
    ['of the future', (me, at) => me.proof('POST', at, { iat: seconds() + 61 }), 'iat'],
    ['without a time', (me, at) => me.proof('POST', at, { iat: undefined }), 'iat'],
    ['without a jti', (me, at) => me.proof('POST', at, { jti: undefined }), 'jti'],
    ['of another type', (me, at) => me.proof('POST', at, {}, { typ: 'JWT' }), 'typ'],
    ['without a key', (me, at) => me.proof('POST', at, {}, { jwk: undefined }), 'jwk'],
    ['signed with the key of another', (me, at) => me.proof('POST', at, {}, {}, ec.privateKey), 'signature'],
    [
      'with a private key in it',
      (me, at) =>
        me.proof(
          'POST',
          at,
          {},
          { jwk: rsa.privateKey.export({ format: 'jwk' }), alg: 'RS256' },
          rsa.privateKey,
        ),
      'public key',
    ],
    [
      'signed with a shared secret',
      (me, at) => me.proof('POST', at, {}, { alg: 'HS256' }, new Uint8Array(32)),
      'alg',
    ],
    ['that is no JWT', async () => 'nonsense', 'refused'],
    [
      'when there are two',
      async (me, at) => `${await me.proof('POST', at)}, ${await me.proof('POST', at)}`,
      'refused',
    ],
  ])('%s', async (_name, make, word) => {
    const { server, me } = await started()
    const { status, json } = await mint(server, await make(me, server.tokenEndpoint))
    expect([status, json.error]).toEqual([400, 'invalid_dpop_proof'])
    expect(json.error_description).toContain(word)
  })

  test('that was used before', async () => {
    const { server, me } = await started()
    const proof = await me.proof('POST', server.tokenEndpoint)
    expect((await mint(server, proof)).status).toBe(200)
    expect(await mint(server, proof)).toMatchObject({ status: 400, json: { error: 'invalid_dpop_proof' } })
  })

  test('not for a query behind the address, which is no part of it', async () => {
    const { server, me } = await started()
    expect((await mint(server, await me.proof('POST', `${server.tokenEndpoint}?a=1#b`))).status).toBe(200)
  })
})

describe('the protected resource', () => {
  test('takes a bound token with its proof alone', async () => {
    const { server, me } = await started()
    const token = await bound(server, me)
    const url = `${server.issuer}/api/whoami`
    const other = await prover(() => now)
    const ath = athOf(token)
    expect(await whoami(server, `DPoP ${token}`, await me.proof('GET', url, { ath }))).toMatchObject({
      status: 200,
      json: { sub: 'practice-service' },
    })
    const refused = async (authorization: string, proof?: string): Promise<unknown> => {
      const { status, json, headers } = await whoami(server, authorization, proof)
      return [status, json.error, headers.get('www-authenticate')?.split(' ', 1)[0]]
    }
    expect(await refused(`Bearer ${token}`)).toEqual([401, 'invalid_token', 'Bearer'])
    expect(await refused(`DPoP ${token}`)).toEqual([401, 'invalid_dpop_proof', 'DPoP'])
    expect(await refused(`DPoP ${token}`, await me.proof('GET', url))).toEqual([
      401,
      'invalid_dpop_proof',
      'DPoP',
    ])
    const stranger = await other.proof('GET', url, { ath })
    expect(await refused(`DPoP ${token}`, stranger)).toEqual([401, 'invalid_token', 'DPoP'])
    const another = await me.proof('GET', url, { ath: athOf('another token') })
    expect(await refused(`DPoP ${token}`, another)).toEqual([401, 'invalid_dpop_proof', 'DPoP'])
  })

  test('takes no unbound token under the scheme DPoP', async () => {
    const { server, me } = await started()
    const token = tokensOf(await mint(server)).access
    const proof = await me.proof('GET', `${server.issuer}/api/whoami`, { ath: athOf(token) })
    expect(await whoami(server, `DPoP ${token}`, proof)).toMatchObject({
      status: 401,
      json: { error: 'invalid_token' },
    })
  })
})

describe('a server that wants a nonce', () => {
  test('gives one with the refusal, takes it, and gives the next in time', async () => {
    const { server, me } = await started({ dpopNonce: true })
    const at = server.tokenEndpoint
    const first = await mint(server, await me.proof('POST', at))
    const nonce = first.headers.get('dpop-nonce')
    expect([first.status, first.json.error, nonce]).toEqual([
      400,
      'use_dpop_nonce',
      expect.stringMatching(/^[\w-]{43}$/),
    ])
    const taken = await mint(server, await me.proof('POST', at, { nonce }))
    expect([taken.status, taken.headers.get('dpop-nonce')]).toEqual([200, nonce])
    now += 300_000
    const old = await mint(server, await me.proof('POST', at, { nonce }))
    const next = old.headers.get('dpop-nonce')
    expect([old.status, next === nonce]).toEqual([200, false])
    now += 300_000
    const tooOld = await mint(server, await me.proof('POST', at, { nonce }))
    expect([tooOld.status, tooOld.json.error]).toEqual([400, 'use_dpop_nonce'])
    expect((await mint(server, await me.proof('POST', at, { nonce: 'made up' }))).json.error).toBe(
      'use_dpop_nonce',
    )
    expect((await mint(server, await me.proof('POST', at, { nonce: next }))).status).toBe(200)
  })

  test('wants it at the protected resource too', async () => {
    const { server, me } = await started({ dpopNonce: true })
    const { headers } = await mint(server, await me.proof('POST', server.tokenEndpoint))
    const nonce = headers.get('dpop-nonce')
    const granted = await mint(server, await me.proof('POST', server.tokenEndpoint, { nonce }))
    const token = tokensOf(granted).access
    const proof = (more: object) =>
      me.proof('GET', `${server.issuer}/api/whoami`, { ath: athOf(token), ...more })
    const refused = await whoami(server, `DPoP ${token}`, await proof({}))
    expect([refused.status, refused.headers.get('dpop-nonce')]).toEqual([401, nonce])
    expect(refused.headers.get('www-authenticate')).toContain('error="use_dpop_nonce"')
    expect((await whoami(server, `DPoP ${token}`, await proof({ nonce }))).status).toBe(200)
  })
})

describe('a login', () => {
  async function code(
    server: PracticeServer,
    change: Record<string, string> = {},
  ): Promise<Record<string, string>> {
    const returned = new URL(await consent(authorizationUrl(server, change)))
    return {
      grant_type: 'authorization_code',
      client_id: 'practice-app',
      code: returned.searchParams.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }
  }
  const spend = (server: PracticeServer, refresh_token: string, proof?: string): Promise<Got> =>
    post(
      server,
      { grant_type: 'refresh_token', client_id: 'practice-app', refresh_token },
      proof === undefined ? {} : { dpop: proof },
    )

  test('of a public client goes on with its own key alone, and a wrong one spends nothing', async () => {
    const { server, me } = await started()
    const other = await prover(() => now)
    const at = server.tokenEndpoint
    const form = await code(server)
    const { refresh } = tokensOf(await post(server, form, { dpop: await me.proof('POST', at) }))
    expect(await spend(server, refresh)).toMatchObject({ status: 400, json: { error: 'invalid_grant' } })
    expect(await spend(server, refresh, await other.proof('POST', at))).toMatchObject({ status: 400 })
    expect(await spend(server, refresh, await me.proof('POST', at))).toMatchObject({
      status: 200,
      json: { token_type: 'DPoP' },
    })
  })

  test('whose code was asked for with a thumbprint needs that key', async () => {
    const { server, me } = await started()
    const other = await prover(() => now)
    const at = server.tokenEndpoint
    const form = await code(server, { dpop_jkt: me.jkt })
    expect(await post(server, form, { dpop: await other.proof('POST', at) })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
    expect(await post(server, form, { dpop: await me.proof('POST', at) })).toMatchObject({ status: 200 })
  })

  test('whose request was pushed with a proof needs that key, and a thumbprint beside it must be the same', async () => {
    const { server, me } = await started()
    const other = await prover(() => now)
    const par = server.pushedAuthorizationRequestEndpoint
    const asked = Object.fromEntries(new URL(authorizationUrl(server)).searchParams)
    const push = async (more: object) =>
      post(server, { ...asked, ...more }, { dpop: await me.proof('POST', par) }, '/par')
    expect(await push({ dpop_jkt: other.jkt })).toMatchObject({
      status: 400,
      json: { error: 'invalid_dpop_proof' },
    })
    const { json } = await push({ dpop_jkt: me.jkt })
    const query = new URLSearchParams({ client_id: 'practice-app', request_uri: String(json.request_uri) })
    const returned = new URL(await consent(`${server.authorizationEndpoint}?${query}`))
    const form = { ...(await code(server)), code: returned.searchParams.get('code') ?? '' }
    const { tokenEndpoint: at } = server
    expect(await post(server, form, { dpop: await other.proof('POST', at) })).toMatchObject({ status: 400 })
    expect(await post(server, form, { dpop: await me.proof('POST', at) })).toMatchObject({ status: 200 })
  })

  test('refuses a thumbprint that is none', async () => {
    const { server } = await started()
    const returned = new URL(await consent(authorizationUrl(server, { dpop_jkt: 'short' })))
    expect(returned.searchParams.get('error')).toBe('invalid_request')
  })
})
