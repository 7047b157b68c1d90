import { type GrantSummary, grantTypes } from 'evertoken'
import { type Static, Type } from 'typebox'
import { noticeBody, noticeSchema } from './notice.ts'
import { toldBody, toldSchema, upstreamSchema } from './revocation.ts'

const time = (description: string) => Type.String({ format: 'date-time', description })

/** A list of what may leave, not of what may not: a token or secret has no member to be in. */
export const summarySchema = Type.Object(
  {
    id: Type.String(),
    state: Type.Unsafe<GrantSummary['state']>({
      type: 'string',
      enum: [
        'pending',
        'active',
        'suspect',
        'reauthorization_required',
        'paused',
        'quarantined',
        'revoking',
        'revoked',
      ],
    }),
    reason: Type.Optional(Type.String({ description: 'Why it is in that state.' })),
    grant_type: Type.Unsafe<GrantSummary['grantType']>({
      type: 'string',
      enum: [...grantTypes],
    }),
    provider: Type.String({ description: 'Issuer, or host of the token endpoint.' }),
    labels: Type.Unsafe<Record<string, string>>({ type: 'object', additionalProperties: { type: 'string' } }),
    created_at: time('UTC.'),
    updated_at: time('When a person last changed it.'),
    expires_at: Type.Optional(time("Of the grant's own access token.")),
    freshness: Type.Unsafe<GrantSummary['freshness']>({
      type: 'string',
      enum: ['fresh', 'advisory', 'mandatory', 'expired', 'none'],
    }),
    generation: Type.Integer({ description: 'Counts the access tokens that were issued.' }),
    scope: Type.String({ description: 'What was granted, joined by spaces.' }),
    lifetime_from: Type.Optional(
      Type.Unsafe<NonNullable<GrantSummary['lifetimeFrom']>>({
        type: 'string',
        enum: ['stated', 'jwt', 'introspection', 'assumed'],
        description: 'How the lifetime is known.',
      }),
    ),
    lifetime_reason: Type.Optional(
      Type.String({
        description:
          "Why it had to be assumed, where the provider's profile says at which place the lifetime stands.",
      }),
    ),
    last_refresh_at: Type.Optional(time('UTC.')),
    last_attempt_at: Type.Optional(time('UTC.')),
    failures: Type.Integer({ description: 'In a row.' }),
    last_error: Type.Optional(
      Type.Object({
        code: Type.String(),
        message: Type.String(),
        at: time('UTC.'),
        error: Type.Optional(Type.String({ description: "The provider's own error." })),
        error_description: Type.Optional(
          Type.String({ description: "The provider's own description of it." }),
        ),
        status: Type.Optional(Type.Integer({ description: "The provider's HTTP status." })),
      }),
    ),
    next_attempt_at: Type.Optional(time('UTC.')),
    unresolved: Type.Boolean({ description: 'A refresh was sent and nobody knows what became of it.' }),
    other_tokens: Type.Integer({ description: 'Tokens held for other scopes or resources.' }),
    replay_class: Type.Unsafe<GrantSummary['replayClass']>({
      type: 'string',
      enum: ['strict', 'idempotent', 'last_child_wins', 'fork', 'non_rotating'],
      description: 'What the provider does with a used refresh token.',
    }),
    api: Type.Optional(
      Type.Object(
        { header: Type.Optional(Type.String()), scheme: Type.Optional(Type.String()) },
        { description: 'How an API wants the access token, where that is not Authorization: Bearer.' },
      ),
    ),
    sender_constrained: Type.Optional(
      Type.Boolean({
        description:
          'Of a grant with a key (DPoP, RFC 9449): whether its token is bound to that, so that no caller can use it.',
      }),
    ),
    candidates: Type.Integer({
      description: 'Other refresh tokens of this login that are kept in case they are the live one.',
    }),
    refresh_token_expires_at: Type.Optional(time('When the refresh token dies by age, where that is known.')),
    login_limit: Type.Optional(
      Type.Object(
        {
          count: Type.Integer({ description: 'How many logins live at a time.' }),
          per: Type.String({ description: 'Of what, for people.' }),
          group: Type.String({ description: 'The same for grants whose logins count together.' }),
        },
        { description: 'More logins than that, and the provider ends the oldest.' },
      ),
    ),
    upstream: upstreamSchema('Of a revoked grant: what the provider made of it.'),
    told: toldSchema('Of a grant that is revoked or being so: what became of its tokens at the provider.'),
    notices: Type.Array(noticeSchema, { description: 'What a person was to know, oldest first.' }),
  },
  {
    $id: 'Grant',
    description: 'How a grant is; never a token.',
    examples: [
      {
        id: 'billing',
        state: 'active',
        grant_type: 'client_credentials',
        provider: 'https://auth.acme.example',
        labels: { team: 'money' },
        created_at: '2026-07-01T08:00:00.000Z',
        updated_at: '2026-07-01T08:00:00.000Z',
        expires_at: '2026-07-01T12:00:00.000Z',
        freshness: 'fresh',
        generation: 7,
        scope: 'read write',
        lifetime_from: 'stated',
        last_refresh_at: '2026-07-01T11:00:00.000Z',
        last_attempt_at: '2026-07-01T11:00:00.000Z',
        failures: 0,
        next_attempt_at: '2026-07-01T11:55:00.000Z',
        unresolved: false,
        other_tokens: 0,
        replay_class: 'non_rotating',
        candidates: 0,
        notices: [],
      },
    ],
  },
)

/** The schema by its name, so that the documentation says it once. */
export const summaryReference = Type.Unsafe<Static<typeof summarySchema>>({ $ref: 'Grant#' })

const iso = (at: number): string => new Date(at).toISOString()

/** A summary as it goes over the wire. */
export function summaryBody(summary: GrantSummary): Static<typeof summarySchema> {
  const { reason, expiresAt, lifetimeFrom, lastRefreshAt, lastAttemptAt, lastError, nextAttemptAt } = summary
  const { lifetimeReason, refreshTokenExpiresAt, loginLimit, upstream, api, senderConstrained, told } =
    summary
  return {
    id: summary.id,
    state: summary.state,
    ...(reason !== undefined && { reason }),
    grant_type: summary.grantType,
    provider: summary.provider,
    labels: summary.labels,
    created_at: iso(summary.createdAt),
    updated_at: iso(summary.updatedAt),
    ...(expiresAt !== undefined && { expires_at: iso(expiresAt) }),
    freshness: summary.freshness,
    generation: summary.generation,
    scope: summary.scope.join(' '),
    ...(lifetimeFrom !== undefined && { lifetime_from: lifetimeFrom }),
    ...(lifetimeReason !== undefined && { lifetime_reason: lifetimeReason }),
    ...(lastRefreshAt !== undefined && { last_refresh_at: iso(lastRefreshAt) }),
    ...(lastAttemptAt !== undefined && { last_attempt_at: iso(lastAttemptAt) }),
    failures: summary.failures,
    ...(lastError !== undefined && {
      last_error: {
        code: lastError.code,
        message: lastError.message,
        at: iso(lastError.at),
        ...(lastError.error !== undefined && { error: lastError.error }),
        ...(lastError.errorDescription !== undefined && { error_description: lastError.errorDescription }),
        ...(lastError.status !== undefined && { status: lastError.status }),
      },
    }),
    ...(nextAttemptAt !== undefined && { next_attempt_at: iso(nextAttemptAt) }),
    unresolved: summary.unresolved,
    other_tokens: summary.otherTokens,
    replay_class: summary.replayClass,
    ...(api !== undefined && {
      api: {
        ...(api.header !== undefined && { header: api.header }),
        ...(api.scheme !== undefined && { scheme: api.scheme }),
      },
    }),
    ...(senderConstrained !== undefined && { sender_constrained: senderConstrained }),
    candidates: summary.candidates,
    ...(refreshTokenExpiresAt !== undefined && { refresh_token_expires_at: iso(refreshTokenExpiresAt) }),
    ...(loginLimit !== undefined && { login_limit: { ...loginLimit } }),
    ...(upstream !== undefined && { upstream }),
    ...(told !== undefined && { told: toldBody(told) }),
    notices: summary.notices.map(noticeBody),
  }
}
