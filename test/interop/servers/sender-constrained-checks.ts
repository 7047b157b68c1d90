import { X509Certificate } from 'node:crypto'
import {
  type AccessToken,
  authorizationCode,
  authorizedFetch,
  clientCredentials,
  type Transport,
} from 'evertoken'
import { expect } from 'vitest'
import { certifiedFetch } from './certified-fetch.ts'
import { loggedIn, transportTo, withKeeper } from './keeper-at-server.ts'
import type { RealServer } from './real-server.ts'

/** What the server says a token is bound to: `jkt` of a key (RFC 9449 section 6.2), `x5t#S256` of a certificate (RFC 8705 section 3.2). */
const boundTo = async (server: RealServer, { value }: AccessToken): Promise<Record<string, string>> => {
  const { active, cnf } = await server.truth(value)
  expect(active).toBe(true)
  return { ...cnf }
}

/** The scheme by itself proves nothing, nor does another. */
async function refusesWithoutProof({ api = '' }: RealServer, { value }: AccessToken): Promise<void> {
  for (const scheme of ['Bearer', 'DPoP']) {
    const answer = await fetch(api, { headers: { authorization: `${scheme} ${value}` } })
    expect([scheme, answer.status]).toEqual([scheme, scheme === 'DPoP' ? 400 : 401])
  }
}

export const checkDpop = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    await loggedIn(keeper, server, { dpop: true })
    const first = await keeper.getToken('work')
    const { jkt } = await boundTo(server, first)
    expect(jkt).toMatch(/^[\w-]{43}$/)
    const api = authorizedFetch(keeper.source('work'))
    expect((await api(server.api ?? '')).status).toBe(200)
    await refusesWithoutProof(server, first)

    const second = await keeper.refresh('work')
    expect(second).toMatchObject({ type: 'DPoP', generation: 2 })
    expect(await boundTo(server, second)).toEqual({ jkt })
    expect((await api(server.api ?? '')).status).toBe(200)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0, senderConstrained: true })

    await keeper.add(
      'job',
      clientCredentials({ ...server.endpoints, ...server.jobClient, scope: server.jobScope, dpop: true }),
    )
    // Each grant has a key of its own.
    const other = await boundTo(server, await keeper.getToken('job'))
    expect(other.jkt).toMatch(/^[\w-]{43}$/)
    expect(other.jkt).not.toBe(jkt)
  })

/** A server that does not know of proofs: the token is good, is told as unbound, and anybody can spend it. */
export const ignoresProofs = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    await keeper.add(
      'job',
      clientCredentials({ ...server.endpoints, ...server.jobClient, scope: server.jobScope, dpop: true }),
    )
    const token = await keeper.getToken('job')
    expect(token).toMatchObject({ type: 'Bearer' })
    expect(token.presentation?.proof).toBeUndefined()
    expect(await boundTo(server, token)).toEqual({})
    expect(await keeper.show('job')).toMatchObject({ state: 'active', senderConstrained: false })
  })

export async function checkDpopNonce(server: RealServer): Promise<void> {
  if (server.wantingNonce === undefined) throw new Error(`${server.name} has no nonces`)
  await using strict = await server.wantingNonce()
  const plain = transportTo(strict)
  const answers: string[] = []
  const transport: Transport = async (request) => {
    const answer = await plain(request)
    if (request.url === strict.endpoints.tokenUrl)
      answers.push(/use_dpop_nonce/.test(String(answer.body)) ? 'use_dpop_nonce' : String(answer.status))
    return answer
  }
  try {
    await withKeeper(
      async (keeper) => {
        await loggedIn(keeper, strict, { dpop: true })
        for (let count = 0; count < 3; count++) await keeper.refresh('work')
        // One refusal for the nonce, at the first request; after that each proof has it.
        expect(answers).toEqual(['use_dpop_nonce', '200', '200', '200', '200'])
        const token = await keeper.getToken('work')
        expect(token).toMatchObject({ type: 'DPoP', generation: 4 })
        const calls: number[] = []
        const api = authorizedFetch(keeper.source('work'), {
          fetch: async (input, init) => {
            const answer = await fetch(input, init)
            calls.push(answer.status)
            return answer
          },
        })
        expect((await api(strict.api ?? '')).status).toBe(200)
        expect(calls.at(-1)).toBe(200)
        expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 4, failures: 0 })
      },
      { transport },
    )
  } finally {
    plain.close()
  }
}

export async function checkCertificateBound(server: RealServer): Promise<void> {
  const { issuer = '', mtls, login, redirectUri } = server
  if (mtls === undefined) throw new Error(`${server.name} takes no certificates`)
  const client = server.authenticated.self_signed_tls_client_auth
  const shown = client?.clientCertificate
  if (client === undefined || shown === undefined) throw new Error(`${server.name} has no such client`)
  const transport = transportTo(server)
  try {
    await withKeeper(
      async (keeper) => {
        await keeper.add('work', authorizationCode({ issuer, ...client, ...login }))
        const { url } = await keeper.beginConsent('work', { redirectUri })
        await keeper.finishConsent(await server.consent(url))
        const { raw } = new X509Certificate(shown.certificate)
        const thumbprint = Buffer.from(await crypto.subtle.digest('SHA-256', raw)).toString('base64url')
        await using withCertificate = certifiedFetch(mtls.ca, shown)
        await using withNone = certifiedFetch(mtls.ca)
        const api = authorizedFetch(keeper.source('work'), { fetch: withCertificate.fetch })
        for (const generation of [1, 2]) {
          const token = await keeper.getToken('work')
          expect(token.generation).toBe(generation)
          expect(await boundTo(server, token)).toEqual({ 'x5t#S256': thumbprint })
          expect((await api(mtls.api)).status).toBe(200)
          const headers = { authorization: `Bearer ${token.value}` }
          expect((await withNone.fetch(mtls.api, { headers })).status).toBe(401)
          expect(await keeper.validate('work')).toMatchObject({ valid: true, by: 'introspection' })
          if (generation === 1) await keeper.refresh('work')
        }
        const { value } = await keeper.getToken('work')
        expect(await keeper.revoke('work')).toMatchObject({ state: 'revoked', upstream: 'revoked' })
        expect(await server.truth(value)).toMatchObject({ active: false })
      },
      { transport },
    )
  } finally {
    transport.close()
  }
}
