import { expect } from 'vitest'
import { type Registration, refreshByHand } from '../login-by-hand.ts'
import { loggedIn, refreshTokenOf, withKeeper } from './keeper-at-server.ts'
import { introspected, type RealServer } from './real-server.ts'

export const checkIntrospection = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    await loggedIn(keeper, server)
    const first = await keeper.getToken('work')
    expect(await keeper.validate('work')).toMatchObject({ valid: true, by: 'introspection', generation: 1 })
    // Revoked behind the keeper's back, which still has it in store.
    await revokeByHand(server, first.value)
    expect(await keeper.validate('work')).toMatchObject({ valid: false, by: 'introspection' })
  })

/** That somebody asks about a refresh token, or asks again and again, ends nothing. */
export const asksWithoutHarm = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const { endpoints, loginClient } = server
    const { clientId: id, clientSecret } = loginClient
    await loggedIn(keeper, server)
    for (const generation of [1, 2]) {
      const token = await keeper.getToken('work')
      expect(token.generation).toBe(generation)
      for (let count = 0; count < 3; count++) expect((await server.truth(token.value)).active).toBe(true)
      const refreshToken = await refreshTokenOf(keeper)
      await introspected(endpoints.introspectionUrl ?? '', { id, secret: String(clientSecret) }, refreshToken)
      await keeper.refresh('work')
    }
    expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 3, failures: 0 })
  })

async function revokeByHand({ endpoints, loginClient }: RealServer, token: string): Promise<void> {
  const answer = await fetch(endpoints.revocationUrl ?? '', {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${loginClient.clientId}:${loginClient.clientSecret}`)}` },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
  })
  expect(answer.status).toBe(200)
}

export const checkRevocation = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    await loggedIn(keeper, server)
    const token = await keeper.getToken('work')
    expect(await server.truth(token.value)).toMatchObject({ active: true })
    const refreshToken = await refreshTokenOf(keeper)
    const revoked = { outcome: 'revoked', at: expect.any(Number) }
    expect(await keeper.revoke('work')).toMatchObject({
      state: 'revoked',
      upstream: 'revoked',
      told: { refreshToken: revoked, accessToken: revoked },
    })
    expect(await server.truth(token.value)).toMatchObject({ active: false })
    expect(await refreshByHand(registrationAt(server), refreshToken)).toMatchObject({
      status: 400,
      error: 'invalid_grant',
    })
    await expect(keeper.getToken('work')).rejects.toMatchObject({ code: 'grant_revoked' })
  })

export const checkUserinfo = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    // Where introspection is known it is asked first.
    await loggedIn(keeper, server, { introspectionUrl: undefined })
    expect(await keeper.validate('work')).toMatchObject({ valid: true, by: 'userinfo' })
    await revokeByHand(server, (await keeper.getToken('work')).value)
    expect(await keeper.validate('work')).toMatchObject({ valid: false, by: 'userinfo' })
  })

export const checkResource = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const resource = 'https://api.example/'
    await loggedIn(keeper, server, { resource })
    const token = await keeper.getToken('work')
    expect(await server.truth(token.value)).toMatchObject({ active: true, aud: resource })
    const next = await keeper.refresh('work')
    expect(await server.truth(next.value)).toMatchObject({ active: true, aud: resource })
  })

/** A server that does not know the parameter gives a token that is for no resource. */
export const ignoresResource = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const resource = 'https://api.example/'
    await loggedIn(keeper, server, { resource })
    const { active, aud } = await server.truth((await keeper.getToken('work')).value)
    expect({ active, named: [aud].flat().includes(resource) }).toEqual({ active: true, named: false })
  })

const registrationAt = ({ endpoints, loginClient }: RealServer): Registration => ({
  authorizationUrl: endpoints.authorizationUrl ?? '',
  tokenUrl: endpoints.tokenUrl ?? '',
  clientId: loginClient.clientId,
  clientSecret: String(loginClient.clientSecret),
})
