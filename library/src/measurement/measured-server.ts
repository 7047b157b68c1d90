import { EvertokenError } from '../errors.ts'
import type { GrantDefinition } from '../grants/definition.ts'
import { failureError, judge } from '../grants/outcome.ts'
import { askCanary } from '../oauth/canary.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { PresentedToken } from '../oauth/revocation.ts'
import type { Wire } from '../oauth/transport.ts'
import type { Secret } from '../secret.ts'

/** What the token endpoint made of a refresh token. */
export type Spent =
  | {
      readonly kind: 'tokens'
      readonly accessToken: Secret
      /** Absent where the answer brought none, or the one that was sent. */
      readonly child?: Secret | undefined
    }
  /** The server says that the refresh token is worth nothing; `error` in its words (RFC 6749 section 5.2). */
  | { readonly kind: 'refused'; readonly error: string }
  /** A status of 500 or more: the server is away, or this refresh token is what it breaks at. */
  | { readonly kind: 'broken'; readonly status: number; readonly why: EvertokenError }

/** What stands for a token that was sent in order: there a server that breaks ends the measurement. */
export function answered(spent: Spent): Exclude<Spent, { kind: 'broken' }> {
  if (spent.kind === 'broken') throw spent.why
  return spent
}

/** How an access token is shown to somebody who knows whether it is good. */
export type AccessTokenUse = 'call' | 'userinfo' | 'introspection'

/** A server as it is measured: one question at a time, and nothing is sent a second time by itself. */
export interface MeasuredServer {
  /**
   * Sends a refresh token, used or not, RFC 6749 section 6. Throws EvertokenError for what says nothing about the token
   * itself: then the measurement is over.
   */
  refresh(refreshToken: Secret): Promise<Spent>
  /** RFC 7662 section 2.1; undefined where the server does not say. */
  introspect(token: Secret, hint: PresentedToken['hint']): Promise<boolean | undefined>
  /** Whether an access token is good, and undefined where that is not said in this way. */
  accepts(use: AccessTokenUse, accessToken: Secret): Promise<boolean | undefined>
}

/** The server of a definition, whose `refresh` speaks as its client does. `wire` has the deadline of each request. */
export function measuredServer(
  definition: GrantDefinition,
  server: ServerMetadata,
  wire: Wire,
): MeasuredServer {
  const { client, facts, resource, parameters, scope } = definition
  const shown = async (url: string | undefined, accessToken: Secret): Promise<boolean | undefined> => {
    if (url === undefined) return undefined
    const answer = await askCanary(url, { accessToken }, client, wire)
    return answer === 'unclear' ? undefined : answer === 'accepted'
  }
  const introspect: MeasuredServer['introspect'] = async (token, hint) => {
    const { introspectToken } = await import('../oauth/introspection.ts')
    const answer = await introspectToken(server, client, { token, hint }, wire)
    return answer.kind === 'introspected' ? answer.active : undefined
  }
  return {
    introspect,
    async refresh(refreshToken) {
      const { refreshTokenGrant } = await import('../oauth/refresh-token.ts')
      const message = { refreshToken, consentedScope: scope, resource, parameters }
      const outcome = judge(await refreshTokenGrant(server, client, message, wire), 'strict')
      if (outcome.verdict === 'rejected') {
        const { error, code } = outcome.failure
        return { kind: 'refused', error: error ?? code }
      }
      if (outcome.verdict !== 'ok') {
        const why = interrupted(failureError('probe', { ...outcome.failure, at: 0 }, 0, undefined))
        const { status = 0 } = outcome.failure
        if (status >= 500) return { kind: 'broken', status, why }
        throw why
      }
      const { accessToken, refreshToken: child } = outcome.response
      const isNew = child !== undefined && child.reveal() !== refreshToken.reveal()
      return { kind: 'tokens', accessToken, ...(isNew ? { child } : {}) }
    },
    async accepts(use, accessToken) {
      switch (use) {
        case 'call':
          return shown(client.validationUrl ?? facts.canary, accessToken)
        case 'userinfo':
          return scope.includes('openid') ? shown(server.userinfoEndpoint, accessToken) : undefined
        case 'introspection':
          return introspect(accessToken, 'access_token')
        default:
          return use satisfies never
      }
    },
  }
}

/** Nothing is tried again here: a second send would be another measurement. */
function interrupted(error: EvertokenError): EvertokenError {
  const { code, message, cause } = error
  return new EvertokenError(code, `${message.replace(/^grant probe: /, '')}, so the measurement ends here`, {
    cause,
    advice: advice[code] ?? 'See what the server says, and measure again with new logins.',
  })
}

const advice: Partial<Record<EvertokenError['code'], string>> = {
  invalid_client:
    'Check the client id, the secret and how the client authenticates; no refresh token was spent.',
  provider_unreachable: 'Check the address and the network, and measure again with new logins.',
  provider_timeout: 'The server took too long. Measure again with new logins.',
  insecure_http: 'Use https, or say insecure_http: true for this client if the network in between is yours.',
}
