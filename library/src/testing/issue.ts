import { randomBytes, randomUUID } from 'node:crypto'
import { type Answer, jsonAnswer } from './answer.ts'
import type { Exchange, Practice } from './exchange.ts'
import type { Login, RefreshToken } from './practice-events.ts'
import { digest, fingerprint } from './request-record.ts'

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
  readonly spentCode?: string
  readonly spentRefreshToken?: string
}

export function newLogin(
  facts: Pick<Login, 'clientId' | 'subject' | 'grantType' | 'scope'>,
  now: number,
): Login {
  return { id: randomUUID(), openedAt: now, ...facts }
}

/** A secret that says in a log or a leak test what it is. */
export function newSecret(kind: 'access' | 'refresh' | 'code'): string {
  return `practice_${kind}_${randomBytes(24).toString('base64url')}`
}

/** The one place that issues tokens: one event, then the answer of RFC 6749 section 5.1. */
export function issueTokens(issue: Issue, exchange: Exchange, practice: Practice): Answer {
  const now = practice.now()
  const { login, scope, audience, accessTokenLifetime } = issue
  const accessToken = newSecret('access')
  const refreshToken = issue.withRefreshToken ? newSecret('refresh') : undefined
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
      expiresAt: now + accessTokenLifetime * 1000,
    },
    refreshToken: refreshToken === undefined ? undefined : storedRefreshToken(refreshToken, login, practice),
    spentCode: issue.spentCode,
    spentRefreshToken: issue.spentRefreshToken,
  })
  const { record } = exchange
  record.outcome = 'issued'
  record.clientId ??= login.clientId
  record.login = login.id
  record.subject = login.subject
  record.accessToken = fingerprint(accessToken)
  if (refreshToken !== undefined) record.refreshToken = fingerprint(refreshToken)
  return jsonAnswer(200, {
    access_token: accessToken,
    token_type: 'Bearer',
    expires_in: accessTokenLifetime,
    refresh_token: refreshToken,
    scope: scope.length === 0 ? undefined : scope.join(' '),
  })
}

function storedRefreshToken(refreshToken: string, login: Login, practice: Practice): RefreshToken {
  const now = practice.now()
  return {
    digest: digest(refreshToken),
    login: login.id,
    issuedAt: now,
    expiresAt: now + practice.options.refreshTokenLifetime * 1000,
  }
}
