import { clientCredentials, discover, jwtBearer, nodeTransport, systemClock } from 'evertoken'
import { expect } from 'vitest'
import { type Check, withKeeper } from './keeper-at-server.ts'
import type { AuthenticationMethod, RealServer } from './real-server.ts'

export function publishes(document: string): Check {
  return async ({ issuer = '', endpoints }) => {
    const answer = await fetch(`${issuer}/.well-known/${document}`)
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ issuer, token_endpoint: endpoints.tokenUrl })
    const transport = nodeTransport()
    try {
      const found = await discover(
        issuer,
        { insecureHttp: false },
        { transport, now: systemClock.now, deadline: 10_000 },
      )
      expect(found).toMatchObject({
        issuer,
        tokenEndpoint: endpoints.tokenUrl,
        authorizationEndpoint: endpoints.authorizationUrl,
        introspectionEndpoint: endpoints.introspectionUrl,
        revocationEndpoint: endpoints.revocationUrl,
        userinfoEndpoint: endpoints.userinfoUrl,
        deviceAuthorizationEndpoint: endpoints.deviceAuthorizationUrl,
        pushedAuthorizationRequestEndpoint: endpoints.pushedAuthorizationRequestUrl,
      })
    } finally {
      transport.close()
    }
  }
}

export function publishesNot(document: string): Check {
  return async ({ base }) => {
    const answer = await fetch(`${base}/.well-known/${document}`, { redirect: 'manual' })
    expect(answer.status).not.toBe(200)
  }
}

/** Two tokens of a client that acts for itself: another each time, and good by the server's own word. */
export const job = (server: RealServer, client: RealServer['jobClient']): Promise<void> =>
  withKeeper(async (keeper) => {
    // The issuer where there is one: it decides for whom an assertion of the client is.
    const where = server.issuer === undefined ? server.endpoints : { issuer: server.issuer }
    await keeper.add('job', clientCredentials({ ...where, ...client, scope: server.jobScope }))
    const first = await keeper.getToken('job')
    const second = await keeper.refresh('job')
    expect(second.value).not.toBe(first.value)
    expect(second).toMatchObject({ type: 'Bearer', generation: 2, scope: [server.jobScope] })
    expect(await server.truth(second.value)).toMatchObject({
      active: true,
      client_id: client.clientId,
      scope: server.jobScope,
    })
  })

export function authenticates(method: AuthenticationMethod): Check {
  return async (server) => {
    const client = server.authenticated[method]
    if (client === undefined) throw new Error(`${server.name} has no client for ${method}`)
    await job(server, client)
    if (!method.startsWith('client_secret')) return
    const wrong = { ...client, clientSecret: 'wrong-wrong-wrong-wrong-wrong-wrong' }
    await expect(job(server, wrong)).rejects.toMatchObject({ code: 'invalid_client' })
  }
}

export const checkJwtBearer = (server: RealServer): Promise<void> =>
  withKeeper(async (keeper) => {
    const { assertion, endpoints, jobScope } = server
    if (assertion === undefined) throw new Error(`${server.name} takes no assertions`)
    await keeper.add('robot', jwtBearer({ ...endpoints, scope: jobScope, assertion }))
    const first = await keeper.getToken('robot')
    const second = await keeper.refresh('robot')
    expect(second.value).not.toBe(first.value)
    expect(await server.truth(second.value)).toMatchObject({ active: true, scope: jobScope })
    await keeper.add(
      'stranger',
      jwtBearer({ ...endpoints, scope: jobScope, assertion: { ...assertion, subject: 'mallory' } }),
    )
    await expect(keeper.getToken('stranger')).rejects.toMatchObject({ code: 'invalid_grant' })
  })
