import { generateKeyPairSync } from 'node:crypto'
import {
  clientCredentials,
  discover,
  type GrantDefinition,
  jwtBearer,
  type Keeper,
  nodeTransport,
  type SigningKeyOptions,
  systemClock,
  tokenExchange,
} from 'evertoken'
import { expect } from 'vitest'
import { type Check, transportTo, withKeeper } from './keeper-at-server.ts'
import type { AuthenticationMethod, RealServer, RegisteredClient } from './real-server.ts'

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
export async function job(server: RealServer, client: RealServer['jobClient']): Promise<void> {
  const transport = transportTo(server)
  try {
    await withKeeper((keeper) => jobAt(keeper, server, client), { transport })
  } finally {
    transport.close()
  }
}

async function jobAt(keeper: Keeper, server: RealServer, client: RealServer['jobClient']): Promise<void> {
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
}

export function authenticates(method: AuthenticationMethod): Check {
  return async (server) => {
    const client = server.authenticated[method]
    if (client === undefined) throw new Error(`${server.name} has no client for ${method}`)
    await job(server, client)
    for (const impostor of impostorsOf(server, method, client))
      await expect(job(server, impostor)).rejects.toMatchObject({ code: 'invalid_client' })
  }
}

const otherSecret = 'wrong-wrong-wrong-wrong-wrong-wrong'
const otherKey = (): SigningKeyOptions => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { algorithm: 'ES256', key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
}

/** Who names the client, with a secret, key or certificate of somebody else. */
function impostorsOf(
  { impostors }: RealServer,
  method: AuthenticationMethod,
  client: RegisteredClient,
): readonly RegisteredClient[] {
  if (method.startsWith('client_secret')) return [{ ...client, clientSecret: otherSecret }]
  if (method === 'private_key_jwt') {
    const { keyId } = client.signingKey ?? {}
    return [{ ...client, signingKey: { ...otherKey(), keyId } }]
  }
  return impostors?.[method] ?? []
}

/** A server that does not know a method of authentication lets nobody in with it. */
export function authenticatesNot(method: 'client_secret_jwt' | 'private_key_jwt'): Check {
  return async (server) => {
    const { clientId, clientSecret } = server.jobClient
    const proof = method === 'private_key_jwt' ? { signingKey: otherKey() } : { clientSecret }
    const client = { clientId, ...proof, clientAuthentication: method } as RegisteredClient
    await expect(job(server, client)).rejects.toMatchObject({ code: 'invalid_client' })
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

/** A grant type that a server does not know, in its own words (RFC 6749 section 5.2). */
const grantTypeUnknown =
  (definitionAt: (server: RealServer) => GrantDefinition): Check =>
  (server) =>
    withKeeper(async (keeper) => {
      await keeper.add('robot', definitionAt(server))
      // A reader would wait for other tries.
      await expect(keeper.refresh('robot')).rejects.toMatchObject({
        code: 'provider_error',
        error: 'unsupported_grant_type',
      })
      expect(await keeper.show('robot')).toMatchObject({ state: 'active' })
    })

export const jwtBearerUnknown = grantTypeUnknown(({ endpoints, jobClient, jobScope }) =>
  jwtBearer({
    ...endpoints,
    ...jobClient,
    scope: jobScope,
    assertion: { issuer: 'https://assertions.example', subject: 'alice', key: otherKey() },
  }),
)

export const tokenExchangeUnknown = grantTypeUnknown(({ endpoints, jobClient, jobScope }) =>
  tokenExchange({
    ...endpoints,
    ...jobClient,
    scope: jobScope,
    subjectToken: 'a-token-of-somebody',
    subjectTokenType: 'access_token',
  }),
)
