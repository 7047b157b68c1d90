import { type Answer, jsonAnswer, OAuthError } from './answer.ts'
import { needClient, verifyClient } from './client-verification.ts'
import { type Exchange, isLoopback, type Practice, readForm } from './exchange.ts'
import type { AccessToken, Login } from './practice-events.ts'
import { digest, fingerprint } from './request-record.ts'

/** The answer of RFC 7662 section 2.2. */
export type Introspection =
  | { readonly active: false }
  | {
      readonly active: true
      /** Present for an access token, absent for a refresh token. */
      readonly token_type?: 'Bearer' | 'DPoP' | undefined
      /** The key that the token is bound to (RFC 9449 section 6.2). */
      readonly cnf?: { readonly jkt: string } | undefined
      readonly client_id: string
      readonly sub: string
      readonly scope?: string | undefined
      readonly aud?: readonly string[] | undefined
      readonly iss: string
      /** UTC seconds. */
      readonly iat: number
      readonly exp: number
    }

/** An access token that works now, with its login. */
export function liveAccessToken(
  token: string,
  practice: Practice,
): { stored: AccessToken; login: Login } | undefined {
  const stored = practice.state.accessToken(digest(token))
  const login = stored && practice.state.login(stored.login)
  if (stored === undefined || login === undefined) return undefined
  const { revoked, onlyAccessToken = stored.digest } = login
  const lives =
    revoked === undefined && onlyAccessToken === stored.digest && stored.expiresAt > practice.now()
  return lives ? { stored, login } : undefined
}

/** What a token is worth now; asking changes nothing, and a used refresh token is just not active. */
export function introspect(token: string, practice: Practice): Introspection {
  const access = liveAccessToken(token, practice)
  if (access) {
    const { stored, login } = access
    const aud = stored.audience.length === 0 ? undefined : stored.audience
    const { jkt } = stored
    const bound =
      jkt === undefined ? { token_type: 'Bearer' as const } : { token_type: 'DPoP' as const, cnf: { jkt } }
    return { ...describe(login, stored.scope, stored, practice), ...bound, aud }
  }
  const refresh = practice.state.refreshToken(digest(token))
  const login = refresh && practice.state.login(refresh.login)
  const unused = refresh?.child === undefined && refresh?.replaced !== true
  const lives = unused && login?.revoked === undefined && (refresh?.expiresAt ?? 0) > practice.now()
  return refresh && login && lives ? describe(login, login.scope, refresh, practice) : { active: false }
}

function describe(
  login: Login,
  scope: readonly string[],
  times: { issuedAt: number; expiresAt: number },
  practice: Practice,
): Extract<Introspection, { active: true }> {
  return {
    active: true,
    client_id: login.clientId,
    sub: login.subject,
    scope: scope.length === 0 ? undefined : scope.join(' '),
    iss: practice.issuer,
    iat: Math.floor(times.issuedAt / 1000),
    exp: Math.floor(times.expiresAt / 1000),
  }
}

/**
 * RFC 7662 section 2.1. A real server must make the caller authenticate; this one is for practice and answers anybody
 * on a loopback address. From elsewhere a client must authenticate, and credentials that are sent must be right.
 */
export async function introspectionEndpoint(exchange: Exchange, practice: Practice): Promise<Answer> {
  const form = readForm(exchange)
  if (isLoopback(exchange.remoteAddress)) await verifyClient(exchange, form, practice)
  else refusePublicClient(await needClient(exchange, form, practice))
  const token = form.need('token')
  exchange.record.presented = fingerprint(token)
  return jsonAnswer(200, introspect(token, practice))
}

function refusePublicClient(client: { authentication: { method: string } }): void {
  if (client.authentication.method === 'none')
    throw new OAuthError('invalid_client', 'introspection needs a client that authenticates', { status: 401 })
}
