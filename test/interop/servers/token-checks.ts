import { expect } from 'vitest'
import { loggedIn, withKeeper } from './keeper-at-server.ts'
import type { RealServer } from './real-server.ts'

export const checkIntrospection = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    await loggedIn(keeper, server)
    const first = await keeper.getToken('work')
    expect(await keeper.validate('work')).toMatchObject({ valid: true, by: 'introspection', generation: 1 })
    // Revoked behind the keeper's back, which still has it in store.
    await revokeByHand(server, first.value)
    expect(await keeper.validate('work')).toMatchObject({ valid: false, by: 'introspection' })
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
    expect(await keeper.revoke('work')).toMatchObject({ state: 'revoked', upstream: 'revoked' })
    expect(await server.truth(token.value)).toMatchObject({ active: false })
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
