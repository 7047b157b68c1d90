import type { GrantSummary, Notice, Revocation, StoredNotice, TokenRevocation, Validation } from 'evertoken'
import type { summaryBody } from '../broker/grant-summary.ts'
import type { storedNoticeBody } from '../broker/notices.ts'
import type { removalBody } from '../broker/revocation.ts'
import type { validationBody } from '../broker/validation.ts'
import type { TokenView } from './grants.ts'

type Json = Record<string, unknown>
type GrantBody = ReturnType<typeof summaryBody>

/** A summary out of a broker's answer; the inverse of the broker's `summaryBody`. */
export function grantFromJson(body: GrantBody): GrantSummary {
  const time = (text: string | undefined): number | undefined =>
    text === undefined ? undefined : Date.parse(text)
  const { last_error: error } = body
  return {
    id: body.id,
    state: body.state,
    reason: body.reason,
    grantType: body.grant_type,
    provider: body.provider,
    labels: body.labels,
    createdAt: Date.parse(body.created_at),
    updatedAt: Date.parse(body.updated_at),
    expiresAt: time(body.expires_at),
    freshness: body.freshness,
    generation: body.generation,
    scope: body.scope.split(' ').filter(Boolean),
    lifetimeFrom: body.lifetime_from,
    lifetimeReason: body.lifetime_reason,
    lastRefreshAt: time(body.last_refresh_at),
    lastAttemptAt: time(body.last_attempt_at),
    failures: body.failures,
    lastError: error && lastErrorFromBody(error),
    nextAttemptAt: time(body.next_attempt_at),
    unresolved: body.unresolved,
    otherTokens: body.other_tokens,
    replayClass: body.replay_class,
    api: body.api,
    senderConstrained: body.sender_constrained,
    candidates: body.candidates,
    refreshTokenExpiresAt: time(body.refresh_token_expires_at),
    loginLimit: body.login_limit,
    upstream: body.upstream,
    told: toldFromBody(body.told),
    notices: body.notices.map((notice) => ({ ...notice, at: Date.parse(notice.at) }) as Notice),
  }
}

const lastErrorFromBody = ({
  error_description,
  ...error
}: NonNullable<GrantBody['last_error']>): GrantSummary['lastError'] =>
  // A code of a newer broker is shown like any other.
  ({
    ...error,
    ...(error_description === undefined ? {} : { errorDescription: error_description }),
    at: Date.parse(error.at),
  }) as GrantSummary['lastError']

const toldFromBody = (told: GrantBody['told']): GrantSummary['told'] =>
  told && {
    refreshToken: tokenFromBody(told.refresh_token),
    accessToken: tokenFromBody(told.access_token),
  }

/** The inverse of the broker's `removalBody`. */
export const revocationFromJson = ({
  upstream,
  told,
}: ReturnType<typeof removalBody>): Revocation | undefined =>
  upstream && { upstream, told: toldFromBody(told) }

const tokenFromBody = (body: NonNullable<GrantBody['told']>['access_token']): TokenRevocation | undefined =>
  body && { ...body, at: Date.parse(body.at) }

/** The inverse of the broker's `storedNoticeBody`. A kind of a newer broker is shown like any other. */
export const noticeFromJson = (body: ReturnType<typeof storedNoticeBody>): StoredNotice =>
  ({ ...body, at: Date.parse(body.at) }) as StoredNotice

/** The inverse of the broker's `validationBody`. */
export const validationFromJson = ({
  expires_at,
  ...rest
}: ReturnType<typeof validationBody>): Validation => ({ ...rest, expiresAt: Date.parse(expires_at) })

function presentationFromJson({ header, scheme }: Json): TokenView['presentation'] {
  if (typeof header !== 'string' && typeof scheme !== 'string') return undefined
  return {
    ...(typeof header === 'string' && { header }),
    ...(typeof scheme === 'string' && { scheme }),
  }
}

/** The inverse of the broker's `tokenBody`. */
export function tokenFromJson(body: Json): TokenView {
  return {
    value: String(body.access_token),
    type: String(body.token_type),
    expiresAt: Date.parse(String(body.expires_at)),
    scope: String(body.scope).split(' ').filter(Boolean),
    generation: Number(body.generation),
    metadata: (body.metadata ?? {}) as Json,
    stale: body.stale === true,
    presentation: presentationFromJson(body),
  }
}
