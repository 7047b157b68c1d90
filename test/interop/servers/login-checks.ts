import { authorizationCode, type Clock, systemClock } from 'evertoken'
import { expect } from 'vitest'
import { loggedIn, withKeeper } from './keeper-at-server.ts'
import type { RealServer } from './real-server.ts'

export const checkCode = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const asked = await loggedIn(keeper, server)
    expect(asked.searchParams.get('code_challenge_method')).toBe('S256')
    const token = await keeper.getToken('work')
    expect(token.generation).toBe(1)
    expect(await server.truth(token.value)).toMatchObject({
      active: true,
      client_id: server.loginClient.clientId,
    })
    await expect(withoutVerifier(server)).resolves.toMatchObject({
      error: expect.stringMatching(/^invalid_/),
    })
  })

/** A code whose verifier somebody else holds is worth nothing. */
async function withoutVerifier(server: RealServer): Promise<unknown> {
  const { endpoints, loginClient, login, redirectUri } = server
  const url = new URL(endpoints.authorizationUrl ?? '')
  const asked = {
    response_type: 'code',
    client_id: loginClient.clientId,
    redirect_uri: redirectUri,
    scope: String(login.scope),
    state: 'state',
    code_challenge: 'a'.repeat(43),
    code_challenge_method: 'S256',
    ...login.authorizationParameters,
  }
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
  const code = (await server.consent(url.href)).searchParams.get('code') ?? ''
  const answer = await fetch(endpoints.tokenUrl ?? '', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${loginClient.clientId}:${loginClient.clientSecret}`)}` },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirectUri,
      code_verifier: 'v'.repeat(43),
    }),
  })
  return answer.json()
}

export const checkRefresh = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    await loggedIn(keeper, server)
    const values = [(await keeper.getToken('work')).value]
    for (let generation = 2; generation <= 4; generation++) {
      const token = await keeper.refresh('work')
      expect(token.generation).toBe(generation)
      expect(await server.truth(token.value)).toMatchObject({ active: true })
      values.push(token.value)
    }
    expect(new Set(values).size).toBe(4)
  })

export const checkIssuer = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const { issuer = '', loginClient, login, redirectUri } = server
    await keeper.add('work', authorizationCode({ issuer, ...loginClient, ...login }))
    const callback = await server.consent((await keeper.beginConsent('work', { redirectUri })).url)
    expect(callback.searchParams.get('iss')).toBe(issuer)
    const foreign = new URL(callback)
    foreign.searchParams.set('iss', 'https://other.example')
    await expect(keeper.finishConsent(foreign)).rejects.toMatchObject({ code: 'issuer_mismatch' })
    const again = await server.consent((await keeper.beginConsent('work', { redirectUri })).url)
    expect((await keeper.finishConsent(again)).state).toBe('active')
  })

export const sendsNoIssuer = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const { endpoints, loginClient, login, redirectUri } = server
    await keeper.add('work', authorizationCode({ ...endpoints, ...loginClient, ...login }))
    const callback = await server.consent((await keeper.beginConsent('work', { redirectUri })).url)
    expect(callback.searchParams.has('iss')).toBe(false)
  })

export const checkPushed = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const opened = await loggedIn(keeper, server, { pushedAuthorization: true })
    expect([...opened.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
    expect((await keeper.refresh('work')).generation).toBe(2)
  })

/** The provider names no interval and counts none; five seconds would only be waited for. */
const hasty: Clock = {
  ...systemClock,
  sleep: (ms, options) => systemClock.sleep(Math.min(ms, 100), options),
}

export const checkDevice = (server: RealServer): Promise<void> =>
  withKeeper(
    async (keeper) => {
      const { endpoints, loginClient, login } = server
      await keeper.add('work', authorizationCode({ ...endpoints, ...loginClient, ...login }))
      const { verificationUri, userCode, finished } = await keeper.beginDeviceConsent('work')
      await server.consentOnDevice?.(verificationUri, userCode)
      expect(await finished).toMatchObject({ state: 'active', generation: 1 })
      const token = await keeper.refresh('work')
      expect(await server.truth(token.value)).toMatchObject({ active: true, client_id: loginClient.clientId })
    },
    { clock: hasty },
  )
