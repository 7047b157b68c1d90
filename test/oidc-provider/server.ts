// oidc-provider in a process of its own. Of ours are only the switch (down and up) and the log of its token endpoint.

import { appendFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint } from '@evertoken/testing'
import { type Context, Provider } from 'oidc-provider'
import type { Command, ServerOptions, TokenRequest } from './provider-process.ts'

const options = JSON.parse(process.env.OIDC_PROVIDER_OPTIONS ?? '{}') as ServerOptions

const server = http.createServer()
await listen(0)
const { port } = server.address() as AddressInfo
const issuer = `http://127.0.0.1:${port}`

const provider = new Provider(issuer, {
  clients: options.clients,
  jwks: options.jwks,
  cookies: { keys: ['test'] },
  scopes: ['openid', 'offline_access', 'api:read', 'api:write'],
  pkce: { required: () => true },
  clientAuthMethods: [
    'client_secret_basic',
    'client_secret_post',
    'client_secret_jwt',
    'private_key_jwt',
    'none',
  ],
  rotateRefreshToken: true,
  clockTolerance: 0,
  ttl: {
    AccessToken: options.lifetime,
    ClientCredentials: options.lifetime,
    RefreshToken: 86_400,
    AuthorizationCode: 60,
    IdToken: 300,
    Grant: 86_400,
    Session: 86_400,
    Interaction: 600,
  },
  features: {
    devInteractions: { enabled: true },
    dPoP: {
      enabled: true,
      ...(options.dpopNonce === true ? { nonceSecret: Buffer.alloc(32, 7), requireNonce: () => true } : {}),
    },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: false },
  },
  findAccount: (_context: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id }) }),
})

/** Why it refused, which it tells its operator and not the client. */
const reasons = new WeakMap<Context, string>()
provider.on('grant.error', (context, error) => {
  reasons.set(context, error.error_detail ?? error.message)
})
provider.on('server_error', (_context, error) => console.error(error))

/** Ids of its own for logins, by their fingerprint in the log; and how many refresh tokens each was given. */
const logins = new Map<string, string>()
const generations = new Map<string, number>()

provider.use(async (context, next) => {
  const arrived = Date.now()
  await next()
  // Written before the answer leaves: a request that is not in the log was not answered.
  if (context.path === '/token')
    appendFileSync(options.log, `${JSON.stringify(recordOf(context, arrived))}\n`)
})

function recordOf(context: Context, at: number): TokenRequest {
  const { client, params, entities } = context.oidc ?? {}
  const answer = context.body as Partial<Record<string, string>> | undefined
  const grant = entities?.Grant?.jti
  const login = grant === undefined ? undefined : fingerprint(grant)
  const known = {
    at,
    duration: Date.now() - at,
    client: client?.clientId,
    grantType: params?.grant_type,
    sender: context.get('x-sender') || undefined,
    login,
    spent: params?.refresh_token && fingerprint(params.refresh_token),
  }
  if (context.status !== 200)
    return { ...known, outcome: 'error', error: answer?.error, reason: reasons.get(context) }
  if (grant !== undefined && login !== undefined) {
    logins.set(login, grant)
    generations.set(login, (generations.get(login) ?? 0) + 1)
  }
  return {
    ...known,
    outcome: 'success',
    generation: generations.get(login ?? ''),
    issued: answer?.refresh_token && fingerprint(answer.refresh_token),
    accessToken: answer?.access_token && fingerprint(answer.access_token),
  }
}

server.on('request', provider.callback())

process.on('message', async (command: Command) => {
  switch (command.do) {
    case 'down': {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      break
    }
    case 'up':
      await listen(port)
      break
    case 'revoke': {
      const grant = logins.get(command.login) ?? ''
      await provider.Grant.adapter.destroy(grant)
      await provider.RefreshToken.revokeByGrantId(grant)
      await provider.AccessToken.revokeByGrantId(grant)
      break
    }
    default:
      command satisfies never
  }
  process.send?.({ done: command.do })
})
process.on('disconnect', () => process.exit(0))
process.send?.({ ready: true, issuer })

/** While it is down somebody else may get its port for a moment. */
async function listen(where: number): Promise<void> {
  for (let left = 100; ; left--) {
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once('error', resolve)
      server.listen(where, '127.0.0.1', () => {
        server.off('error', resolve)
        resolve(undefined)
      })
    })
    if (error === undefined) return
    if (error.code !== 'EADDRINUSE' || left === 0) throw error
    await sleep(100)
  }
}
