import { foreignClaim } from '../oauth/id-token.ts'
import type { JsonObject } from '../oauth/json-object.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import { Secret } from '../secret.ts'
import type { Answered } from './attempt.ts'
import type { GrantDefinition } from './definition.ts'
import {
  type Attempt,
  findToken,
  type GrantRecord,
  type HeldRefreshToken,
  ownToken,
  type TokenKey,
  type TokenRow,
} from './grant.ts'
import { besideToken } from './metadata.ts'
import type { Seal } from './seal.ts'
import { openedPayload, openPayload, sealPayload } from './token-payload.ts'

/** What an answer is turned into rows with. */
export interface AnswerContext {
  readonly seal: Seal
  /** With the tokens of this login: what an answer leaves out is taken from the one before it. */
  readonly record: Pick<GrantRecord, 'id' | 'tokens' | 'subject'>
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
  /** Of the provider, where one is known: who an id_token has to come from. */
  readonly issuer?: string | undefined
  /** What the provider sent the person back with, of what its profile names. */
  readonly callback?: JsonObject | undefined
}

/** The access token of a row: only ever to show it to the provider itself. */
export function openedToken(
  seal: Seal,
  grant: string,
  row: Pick<TokenRow, 'sealed' | 'scope' | 'resource'>,
): Secret {
  return new Secret(openPayload(seal, grant, row).value)
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

/** What was granted: as the answer says, else as before (RFC 6749 section 6), else as it was asked for (section 5.1). */
function grantedScope(
  { scope }: TokenResponse,
  { definition, held, key }: AnswerContext,
  before: TokenRow | undefined,
): readonly string[] {
  if (scope !== undefined) return scope
  if (key.scope !== '') return key.scope.split(' ')
  return (held === undefined ? undefined : before?.grantedScope) ?? definition.scope
}

/** Turns an answer into what is stored: everything secret sealed to its place. */
export function sealAnswer(
  context: AnswerContext,
  response: TokenResponse,
): Answered & { readonly token: NonNullable<Answered['token']> } {
  const { seal, record, attempt, definition, held, key, askedAt, livesFrom } = context
  const { lifetime, lifetimeFrom } = lifetimeOf(response, context)
  const own = findToken(record, ownToken)
  // A token that was minted has all of its answer; what a refresh leaves out has not changed.
  const before = held === undefined ? undefined : (findToken(record, key) ?? own)
  const payload = {
    value: response.accessToken.reveal(),
    ...besideToken(definition, response, held, openedPayload(seal, record.id, before), context.callback),
    certificateBound: response.certificateBound,
  }
  const { refreshToken, refreshTokenExpiresIn } = response
  const isNew = refreshToken !== undefined && refreshToken.reveal() !== held?.reveal()
  return {
    token: {
      ...key,
      sealed: sealPayload(seal, record.id, attempt.fence, key, payload),
      type: response.tokenType,
      obtainedAt: askedAt,
      expiresAt: livesFrom + lifetime,
      lifetime,
      lifetimeFrom,
      grantedScope: grantedScope(response, context, findToken(record, { ...key, scope: '' }) ?? own),
    },
    refreshToken: isNew ? sealRefreshToken(context, refreshToken) : undefined,
    ...identityOf(response, context),
    refreshTokenExpiresAt:
      refreshTokenExpiresIn === undefined ? undefined : askedAt + refreshTokenExpiresIn * 1000,
  }
}

/**
 * Whose login it is. A subject means something only together with its issuer: one of another is never remembered, so that what a
 * person has accepted by `resume`, or an import brought, is not compared with it afterwards.
 */
function identityOf(
  { idToken, subject }: TokenResponse,
  { seal, record, definition, issuer }: AnswerContext,
): Pick<Answered, 'subject' | 'foreign'> {
  const { clientId } = definition.client
  const foreign = idToken === undefined ? undefined : foreignClaim(idToken, { issuer, clientId })
  if (foreign !== undefined) return { foreign }
  return { subject: subject === undefined ? undefined : seal.fingerprint(subject, record.subject) }
}

/** A refresh token as the row holds it. */
export function sealRefreshToken(
  {
    seal,
    record,
    attempt,
    askedAt,
    claimedAt,
  }: Pick<AnswerContext, 'seal' | 'attempt' | 'askedAt' | 'claimedAt'> & {
    readonly record: Pick<GrantRecord, 'id'>
  },
  token: Secret,
): HeldRefreshToken {
  const text = token.reveal()
  return {
    sealed: seal.seal(text, { grant: record.id, fence: attempt.fence, field: 'refresh_token' }),
    fingerprint: seal.fingerprint(text),
    receivedAt: claimedAt ?? askedAt,
  }
}
