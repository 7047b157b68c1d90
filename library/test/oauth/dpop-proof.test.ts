import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { calculateJwkThumbprint, decodeJwt, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose'
import { describe, expect, test } from 'vitest'
import type { ClientRegistration, ServerMetadata } from '../../src/oauth/client.ts'
import { dpopProof } from '../../src/oauth/dpop-proof.ts'
import { type ProofKey, readProofKey, thumbprintOf } from '../../src/oauth/proof-key.ts'
import { keepNonce, nonceFor } from '../../src/oauth/proof-nonces.ts'
import { refreshTokenGrant } from '../../src/oauth/refresh-token.ts'
import { type Wire, WireError, type WireRequest, type WireResponse } from '../../src/oauth/transport.ts'
import { Secret } from '../../src/secret.ts'

const now = 1_800_000_000_000

const newKey = (): ProofKey => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return readProofKey(JSON.stringify(privateKey.export({ format: 'jwk' })))
}
const key = newKey()
const request = { method: 'GET', url: 'https://api.example/users?page=2#top' }

describe('a proof', () => {
  test('says what it is for, when it was made, and with which key, and is signed with that', async () => {
    const proof = dpopProof(key, request, { now: () => now })
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: ['ES256'],
      currentDate: new Date(now),
    })
    expect(protectedHeader).toEqual({ typ: 'dpop+jwt', alg: 'ES256', jwk: key.jwk })
    expect(payload).toEqual({
      jti: expect.stringMatching(/^[\w-]{43}$/),
      htm: 'GET',
      htu: 'https://api.example/users',
      iat: now / 1000,
    })
  })

  test('is another each time, and holds the nonce and the digest of the access token where there are some', () => {
    const more = { ...request, nonce: 'n-1', accessToken: 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU' }
    const [one, other] = [1, 2].map(() => decodeJwt(dpopProof(key, more, { now: () => now })))
    expect(one?.jti).not.toBe(other?.jti)
    // The example of RFC 9449 section 7.1.
    expect(one).toMatchObject({ nonce: 'n-1', ath: 'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo' })
  })

  test('holds nothing of the private key', () => {
    const proof = dpopProof(key, request, { now: () => now })
    const { d } = JSON.parse(key.privateKey.reveal()) as { d: string }
    expect(
      JSON.stringify([decodeProtectedHeader(proof), decodeJwt(proof), inspect(key, { depth: 9 })]),
    ).not.toContain(d)
  })
})

test('the thumbprint of a key is that of RFC 7638', async () => {
  expect(thumbprintOf(key)).toBe(await calculateJwkThumbprint({ ...key.jwk }))
})

test.each([
  ['no JSON', 'PRIVATE'],
  ['a public key', JSON.stringify({ ...key.jwk })],
  ['a key of another kind', '{"kty":"OKP","crv":"Ed25519","x":"x","d":"d"}'],
])('%s is no proof key', (_name, text) => {
  expect(() => readProofKey(text)).toThrow()
})

describe('the nonce of an origin', () => {
  test('is what it gave last, for all its addresses and no other origin', () => {
    expect(keepNonce('https://one.example/token', 'n-1', undefined, now)).toBe(true)
    expect(nonceFor('https://one.example/api?x')).toBe('n-1')
    expect(nonceFor('https://one.example:8443/api')).toBeUndefined()
    expect(keepNonce('https://one.example/', 'n-2', 'n-1', now)).toBe(true)
    expect(keepNonce('https://one.example/', 'n-2', 'n-2', now)).toBe(false)
    expect(nonceFor('https://one.example/token')).toBe('n-2')
  })

  test.each(['', 'two words', 'quo"te', 'back\\slash', 'ü', 'x'.repeat(1025)])(
    'that is none (%#) is not kept',
    (nonce) => {
      expect(keepNonce('https://odd.example/', nonce, undefined, now)).toBe(false)
      expect(nonceFor('https://odd.example/')).toBeUndefined()
    },
  )

  test('of the first of many is forgotten, so that no process grows by them', () => {
    for (let count = 0; count <= 1000; count++)
      keepNonce(`https://${count}.many.example/`, 'n', undefined, now)
    expect(nonceFor('https://0.many.example/')).toBeUndefined()
    expect(nonceFor('https://1000.many.example/')).toBe('n')
  })
})

let origins = 0
/** A provider that nobody has asked yet, with these answers in turn, and what it was sent. */
function provider(answers: readonly (WireResponse | WireError)[], change: Partial<ClientRegistration> = {}) {
  const server: ServerMetadata = { tokenEndpoint: `https://provider-${origins++}.example/token` }
  const client: ClientRegistration = {
    provider: { kind: 'endpoints', metadata: server },
    clientId: `client-${origins}`,
    authentication: { method: 'none' },
    insecureHttp: false,
    ...change,
  }
  const requests: WireRequest[] = []
  let utc = now
  /** Milliseconds that each answer takes. */
  let takes = 0
  const transport: Wire['transport'] = async (request) => {
    requests.push(request)
    utc += takes
    const answer = answers[requests.length - 1]
    if (answer === undefined) throw new Error('one request too many')
    if (answer instanceof WireError) throw answer
    return answer
  }
  const proofs = () => requests.map(({ headers }) => decodeJwt(headers.dpop ?? ''))
  return {
    requests,
    proofs,
    nonces: () => proofs().map(({ nonce }) => nonce),
    refresh: (each = 0) => {
      takes = each
      const wire: Wire = { transport, now: () => utc, deadline: 2000, proofKey: key }
      return refreshTokenGrant(server, client, { refreshToken: new Secret('refresh-token-1') }, wire)
    },
  }
}

const body = '{"access_token":"at","token_type":"DPoP","refresh_token":"rt-2"}'
const tokens = { status: 200, headers: {}, body }
const wants = (nonce: string, status = 400): WireResponse => ({
  status,
  headers: { 'dpop-nonce': nonce },
  body: '{"error":"use_dpop_nonce"}',
})

describe('a token request', () => {
  test('that lacks the nonce is the same once more with it, and the next begins with it', async () => {
    const { refresh, nonces, proofs, requests } = provider([wants('n-1'), tokens, tokens])
    expect(await refresh()).toMatchObject({ kind: 'tokens', response: { tokenType: 'DPoP' } })
    expect(nonces()).toEqual([undefined, 'n-1'])
    expect(requests[1]?.body).toBe(requests[0]?.body)
    expect(proofs()[1]?.jti).not.toBe(proofs()[0]?.jti)
    expect(await refresh()).toMatchObject({ kind: 'tokens' })
    expect(nonces()).toEqual([undefined, 'n-1', 'n-1'])
  })

  test('keeps the nonce that comes with a good answer', async () => {
    const next = { ...tokens, headers: { 'dpop-nonce': 'n-2' } }
    const { refresh, nonces } = provider([next, tokens])
    await refresh()
    await refresh()
    expect(nonces()).toEqual([undefined, 'n-2'])
  })

  test('that is refused for its nonce again is refused', async () => {
    const { refresh, nonces } = provider([wants('n-1'), wants('n-2')])
    expect(await refresh()).toMatchObject({ kind: 'error', error: 'use_dpop_nonce' })
    expect(nonces()).toEqual([undefined, 'n-1'])
  })

  test.each([
    ['names no nonce', { ...wants('n'), headers: {} }],
    ['names one that is none', wants('a b')],
    ['means something else', { ...wants('n'), body: '{"error":"invalid_grant"}' }],
    ['is no refusal', { ...wants('n', 200), body }],
    ['cannot be read', { ...wants('n'), body: '<html>' }],
  ])('is not sent again where the answer %s', async (_name, answer) => {
    const { refresh, requests } = provider([answer])
    await refresh()
    expect(requests).toHaveLength(1)
  })

  test('is sent again after a 401 too', async () => {
    const { refresh, nonces } = provider([wants('n-1', 401), tokens])
    expect(await refresh()).toMatchObject({ kind: 'tokens' })
    expect(nonces()).toEqual([undefined, 'n-1'])
  })

  test('is not sent again without the time for its answer, and the next begins with the nonce', async () => {
    const { refresh, nonces } = provider([wants('n-1'), tokens])
    expect(await refresh(1001)).toMatchObject({ kind: 'error', error: 'use_dpop_nonce' })
    expect(await refresh()).toMatchObject({ kind: 'tokens' })
    expect(nonces()).toEqual([undefined, 'n-1'])
  })

  test('whose second try certainly never left is the refusal that it was', async () => {
    const { refresh } = provider([wants('n-1'), new WireError('refused', 'connect', { sent: false })])
    expect(await refresh()).toMatchObject({ kind: 'error', error: 'use_dpop_nonce' })
  })

  test('whose second try may have arrived is in doubt', async () => {
    const { refresh } = provider([wants('n-1'), new WireError('reset', 'read', { sent: true })])
    expect(await refresh()).toMatchObject({ kind: 'silence', sent: true })
  })

  test('of a client with two secrets asks for the nonce once and then with the other secret', async () => {
    const secrets = { secret: new Secret('secret-old'), secondSecret: new Secret('secret-new') }
    const refused = { status: 401, headers: {}, body: '{"error":"invalid_client"}' }
    const { refresh, nonces, requests } = provider([wants('n-1'), refused, tokens], {
      authentication: { method: 'client_secret_post', ...secrets },
    })
    expect(await refresh()).toMatchObject({ kind: 'tokens' })
    expect(nonces()).toEqual([undefined, 'n-1', 'n-1'])
    const sent = requests.map(({ body }) => new URLSearchParams(body).get('client_secret'))
    expect(sent).toEqual(['secret-old', 'secret-old', 'secret-new'])
  })

  test('in another dialect is proved as it leaves', async () => {
    const { refresh, proofs, requests } = provider([tokens], {
      dialect: { id: 'x', requests: { refresh: { method: 'GET' } }, variables: {} },
    })
    await refresh()
    const tokenEndpoint = requests[0]?.url.split('?')[0]
    expect(proofs()).toMatchObject([{ htm: 'GET', htu: tokenEndpoint }])
    expect(requests[0]?.url).toContain('refresh_token=refresh-token-1')
  })

  test('whose proof is quoted in a refusal does not show it', async () => {
    let quoted = ''
    const server: ServerMetadata = { tokenEndpoint: 'https://quoting.example/token' }
    const client: ClientRegistration = {
      provider: { kind: 'endpoints', metadata: server },
      clientId: 'c',
      authentication: { method: 'none' },
      insecureHttp: false,
    }
    const transport: Wire['transport'] = async ({ headers }) => {
      quoted = headers.dpop ?? ''
      return {
        status: 400,
        headers: {},
        body: JSON.stringify({ error: 'invalid_dpop_proof', error_description: `bad: ${quoted}` }),
      }
    }
    const wire = { transport, now: () => now, deadline: 2000, proofKey: key }
    const answer = await refreshTokenGrant(server, client, { refreshToken: new Secret('rt') }, wire)
    expect(answer).toMatchObject({ kind: 'error', description: 'bad: [secret]' })
  })
})
