import { membersOf } from '../oauth/answer-members.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import { Secret } from '../secret.ts'
import type { Answered } from './attempt.ts'
import type { GrantDefinition } from './definition.ts'
import type { Attempt, GrantRecord, HeldRefreshToken, TokenKey, TokenRow } from './grant.ts'
import type { Seal } from './seal.ts'

/** What an answer is turned into rows with. */
export interface AnswerContext {
  readonly seal: Seal
  readonly record: Pick<GrantRecord, 'id'>
  readonly attempt: Pick<Attempt, 'fence'>
  readonly definition: GrantDefinition
  /** The refresh token that was sent. */
  readonly held: Secret | undefined
  readonly key: TokenKey
  /** UTC ms before the request was sent. */
  readonly askedAt: number
  /** UTC ms of the claim, where there was one: a login that began after it is another than the answer's. */
  readonly claimedAt?: number | undefined
  /** UTC ms from which a lifetime counts: that, or the first of several sends that may all have brought this one token. */
  readonly livesFrom: number
  /** Milliseconds a token is taken to live where the provider does not say. */
  readonly assumedLifetime: number
}

/** What is sealed of an access token. */
export interface TokenPayload {
  readonly value: string
  readonly metadata: Readonly<Record<string, unknown>>
  readonly certificateBound?: true | undefined
}

/** The access token of a row: only ever to show it to the provider itself. */
export function openedToken(
  seal: Seal,
  grant: string,
  { sealed, scope, resource }: Pick<TokenRow, 'sealed' | 'scope' | 'resource'>,
): Secret {
  const text = seal.open(sealed, { grant, field: 'access_token', scope, resource })
  return new Secret((JSON.parse(text) as { value: string }).value)
}

/** Lifetime in ms, and how it is known. */
function lifetimeOf(
  { expiresIn, jwtExpiresAt }: Pick<TokenResponse, 'expiresIn' | 'jwtExpiresAt'>,
  { livesFrom, definition, assumedLifetime }: AnswerContext,
): Pick<TokenRow, 'lifetime' | 'lifetimeFrom'> {
  if (expiresIn !== undefined) return { lifetime: expiresIn * 1000, lifetimeFrom: 'stated' }
  const fromJwt = jwtExpiresAt === undefined ? 0 : jwtExpiresAt * 1000 - livesFrom
  if (fromJwt > 0) return { lifetime: fromJwt, lifetimeFrom: 'jwt' }
  const told = definition.assumedLifetime
  return { lifetime: told === undefined ? assumedLifetime : told * 1000, lifetimeFrom: 'assumed' }
}

/** What the profile wants handed out, and the members that a user allowed; tokens never are. */
function metadataOf(
  definition: GrantDefinition,
  response: TokenResponse,
  held: Secret | undefined,
): TokenPayload['metadata'] {
  const { accessToken, refreshToken, idToken, whole } = response
  const tokens = [accessToken, refreshToken, idToken, held].flatMap((token) => token?.reveal() ?? [])
  return { ...response.metadata, ...membersOf(whole, definition.metadata, tokens) }
}

/** Turns an answer into what is stored: everything secret sealed to its place. */
export function sealAnswer(
  context: AnswerContext,
  response: TokenResponse,
): Answered & { readonly token: NonNullable<Answered['token']> } {
  const { seal, record, attempt, definition, held, key, askedAt, livesFrom } = context
  const { lifetime, lifetimeFrom } = lifetimeOf(response, context)
  const payload = JSON.stringify({
    value: response.accessToken.reveal(),
    metadata: metadataOf(definition, response, held),
    certificateBound: response.certificateBound,
  } satisfies TokenPayload)
  const { refreshToken, subject, refreshTokenExpiresIn } = response
  const isNew = refreshToken !== undefined && refreshToken.reveal() !== held?.reveal()
  return {
    token: {
      ...key,
      sealed: seal.seal(payload, { grant: record.id, fence: attempt.fence, field: 'access_token', ...key }),
      type: response.tokenType,
      obtainedAt: askedAt,
      expiresAt: livesFrom + lifetime,
      lifetime,
      lifetimeFrom,
      grantedScope: response.scope ?? (key.scope === '' ? definition.scope : key.scope.split(' ')),
    },
    refreshToken: isNew ? sealRefreshToken(context, refreshToken) : undefined,
    subject: subject === undefined ? undefined : seal.fingerprint(subject),
    refreshTokenExpiresAt:
      refreshTokenExpiresIn === undefined ? undefined : askedAt + refreshTokenExpiresIn * 1000,
  }
}

/** A refresh token as the row holds it. */
export function sealRefreshToken(
  {
    seal,
    record,
    attempt,
    askedAt,
    claimedAt,
  }: Pick<AnswerContext, 'seal' | 'record' | 'attempt' | 'askedAt' | 'claimedAt'>,
  token: Secret,
): HeldRefreshToken {
  const text = token.reveal()
  return {
    sealed: seal.seal(text, { grant: record.id, fence: attempt.fence, field: 'refresh_token' }),
    fingerprint: seal.fingerprint(text),
    receivedAt: claimedAt ?? askedAt,
  }
}
