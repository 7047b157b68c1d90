import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { type Answer, jsonAnswer } from './answer.ts'
import type { Exchange, Practice } from './exchange.ts'
import type { Login, RefreshToken, RepeatableAnswer } from './practice-events.ts'
import { digest, fingerprint, fingerprintOf } from './request-record.ts'

export interface Issue {
  readonly login: Login
  /** True when the login begins with these tokens. */
  readonly opens: boolean
  readonly scope: readonly string[]
  readonly audience: readonly string[]
  /** Whether a refresh token goes out. */
  readonly withRefreshToken: boolean
  /** Seconds. */
  readonly accessTokenLifetime: number
  /** RFC 8693 section 2.2.1. */
  readonly issuedTokenType?: string | undefined
  readonly spentCode?: string
  readonly spentDeviceCode?: string
  readonly spentRefreshToken?: SpentRefreshToken
}

export interface SpentRefreshToken {
  readonly clear: string
  /** Digest of its earlier child, where that one dies. */
  readonly replaces?: string | undefined
}

export function newLogin(
  facts: Pick<Login, 'clientId' | 'subject' | 'grantType' | 'scope'>,
  now: number,
): Login {
  return { id: randomUUID(), openedAt: now, ...facts }
}

/** A secret that says in a log or a leak test what it is. */
export function newSecret(kind: 'access' | 'refresh' | 'code' | 'device' | 'request'): string {
  return `practice_${kind}_${randomBytes(24).toString('base64url')}`
}

/**
 * The tokens that a refresh token is exchanged for: a function of that token and a nonce. The journal holds the nonce, so
 * that a server with idempotent rotation can give the same answer again, even after a restart; and it holds the token
 * only as a digest, so that the journal alone gives nobody a token, which a secret of the journal's own would.
 */
function derivedSecret(kind: 'access' | 'refresh', parent: string, nonce: string): string {
  const bytes = createHmac('sha256', parent).update(`${kind} ${nonce}`).digest().subarray(0, 24)
  return `practice_${kind}_${bytes.toString('base64url')}`
}

/** The one place that issues tokens: one event, then the answer of RFC 6749 section 5.1. */
export function issueTokens(issue: Issue, exchange: Exchange, practice: Practice): Answer {
  const now = practice.now()
  const { login, scope, audience, accessTokenLifetime, spentRefreshToken: spent } = issue
  const nonce = spent && randomBytes(24).toString('base64url')
  const secret = (kind: 'access' | 'refresh'): string =>
    spent && nonce ? derivedSecret(kind, spent.clear, nonce) : newSecret(kind)
  const accessToken = secret('access')
  const refreshToken = issue.withRefreshToken ? secret('refresh') : undefined
  const expiresAt = now + accessTokenLifetime * 1000
  const endsEarlier = practice.options.oldTokenDies ? true : undefined
  practice.state.commit({
    type: 'tokens_issued',
    at: now,
    opens: issue.opens ? login : undefined,
    accessToken: {
      digest: digest(accessToken),
      login: login.id,
      scope,
      audience,
      issuedAt: now,
      expiresAt,
      jkt: exchange.jkt,
    },
    refreshToken:
      refreshToken === undefined ? undefined : storedRefreshToken(refreshToken, login, exchange, practice),
    spentCode: issue.spentCode,
    spentDeviceCode: issue.spentDeviceCode,
    spentRefreshToken: spent && digest(spent.clear),
    nonce,
    replaces: spent?.replaces,
    endsEarlier,
  })
  exchange.record.outcome = 'issued'
  // In the same turn as the event above, so that no request can come between the fact and its note.
  if (spent) exchange.note({ type: 'consumed', refreshToken: fingerprint(spent.clear) })
  exchange.note({
    type: 'issued',
    login: login.id,
    accessToken: fingerprint(accessToken),
    expiresAt,
    refreshToken: refreshToken && fingerprint(refreshToken),
    parent: exchange.record.grantType === 'refresh_token' ? exchange.record.presented : undefined,
    replaces: spent?.replaces && fingerprintOf(spent.replaces),
    endsEarlier,
  })
  return tokenAnswer(
    {
      login,
      scope,
      accessToken,
      refreshToken,
      expiresIn: accessTokenLifetime,
      issuedTokenType: issue.issuedTokenType,
      jkt: exchange.jkt,
    },
    exchange,
    practice,
  )
}

/** The answer that the refresh token got when it was used, again: no event, for nothing changes. */
export function repeatAnswer(
  parent: string,
  login: Login,
  { nonce, scope, expiresAt, jkt }: RepeatableAnswer,
  exchange: Exchange,
  practice: Practice,
): Answer {
  const accessToken = derivedSecret('access', parent, nonce)
  const refreshToken = derivedSecret('refresh', parent, nonce)
  // The access token is as old as it is: its first lifetime would be a lie by now.
  const expiresIn = Math.max(0, Math.floor((expiresAt - practice.now()) / 1000))
  exchange.record.outcome = 'repeated'
  exchange.note({
    type: 'repeated',
    login: login.id,
    accessToken: fingerprint(accessToken),
    refreshToken: fingerprint(refreshToken),
  })
  return tokenAnswer({ login, scope, accessToken, refreshToken, expiresIn, jkt }, exchange, practice)
}

interface GivenTokens {
  readonly login: Login
  readonly scope: readonly string[]
  readonly accessToken: string
  readonly refreshToken: string | undefined
  /** Seconds. */
  readonly expiresIn: number
  readonly issuedTokenType?: string | undefined
  /** What the access token is bound to. */
  readonly jkt: string | undefined
}

/** RFC 6749 section 5.1. */
function tokenAnswer(given: GivenTokens, { record }: Exchange, { options }: Practice): Answer {
  const { login, scope, accessToken, refreshToken } = given
  record.clientId ??= login.clientId
  record.login = login.id
  record.subject = login.subject
  record.accessToken = fingerprint(accessToken)
  if (refreshToken !== undefined) record.refreshToken = fingerprint(refreshToken)
  return jsonAnswer(200, {
    access_token: accessToken,
    issued_token_type: given.issuedTokenType,
    token_type: given.jkt === undefined ? 'Bearer' : 'DPoP',
    expires_in: options.statesLifetime ? given.expiresIn : undefined,
    refresh_token: refreshToken,
    scope: scope.length === 0 ? undefined : scope.join(' '),
  })
}

function storedRefreshToken(
  refreshToken: string,
  login: Login,
  { jkt }: Exchange,
  practice: Practice,
): RefreshToken {
  const now = practice.now()
  const client = practice.options.clients.get(login.clientId)
  return {
    digest: digest(refreshToken),
    login: login.id,
    issuedAt: now,
    expiresAt: now + practice.options.refreshTokenLifetime * 1000,
    // That of a client which authenticates is bound to the client already (RFC 9449 section 5).
    jkt: client?.authentication.method === 'none' ? jkt : undefined,
  }
}
