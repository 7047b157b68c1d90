import type { Clock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { TokenAnswer, TokenResponse } from '../oauth/token-answer.ts'
import type { Transport } from '../oauth/transport.ts'
import { Secret } from '../secret.ts'
import { type Answered, commit, markSent, release, settle } from './attempt.ts'
import { type Claim, claim, keyOf, type Why } from './claim.ts'
import { type GrantDefinition, readDefinition } from './definition.ts'
import { durableWrite } from './durable-write.ts'
import {
  type Attempt,
  findToken,
  type GrantRecord,
  parentOf,
  quarantine,
  type TokenKey,
  type TokenRow,
} from './grant.ts'
import { judge, type Outcome } from './outcome.ts'
import type { GrantStore } from './store.ts'
import type { Timing } from './timing.ts'

/** What came of asking for a refresh. `record` is the row as this process left it. */
export type Refreshed =
  | {
      readonly kind: 'refreshed'
      readonly record: GrantRecord
      readonly token: TokenRow
      /** Failures in a row that this success ended. */
      readonly failuresBefore: number
    }
  | { readonly kind: 'failed'; readonly record: GrantRecord | undefined; readonly outcome: FailedOutcome }
  | Exclude<Claim, { kind: 'claimed' }>

export type FailedOutcome = Exclude<Outcome, { verdict: 'ok' }>

export interface RefreshContext {
  readonly store: GrantStore
  readonly transport: Transport
  readonly clock: Clock
  readonly random: () => number
  readonly timing: Timing
  /** Finds the provider's endpoints; remembers what it discovered. */
  readonly serverOf: (definition: GrantDefinition) => Promise<ServerMetadata>
  /** Told when an answer cannot be stored, with the error, and when it could in the end, without. */
  readonly troubled: (id: string, error: unknown) => void
}

/**
 * The only function that spends a refresh token, and the only one that mints tokens for grants without one. Worker,
 * readers, rejections and people all come here; see attempt.ts and claim.ts for the steps and why each is a transaction.
 */
export async function refresh(context: RefreshContext, id: string, why: Why): Promise<Refreshed> {
  const { store, clock, timing } = context
  // Read before the claim, so that what is left of the lease is never overestimated.
  const began = clock.boot()
  const attemptId = crypto.randomUUID()
  const claimed = await store.update(id, (record, moment) =>
    claim(record, why, { owner: store.owner, attemptId, utc: clock.now(), timing }, moment),
  )
  if (claimed.kind !== 'claimed') return claimed
  const { attempt, record } = claimed

  let opened: Opened
  try {
    opened = open(store, record)
  } catch (error) {
    return quarantined(context, id, attempt, why, error)
  }

  const fail = (outcome: FailedOutcome): Promise<Refreshed> =>
    settled(context, id, attempt, keyOf(why), outcome)
  const { definition, held } = opened
  if (held === undefined && needsRefreshToken(definition)) return fail(nothingToSpend)

  const server = await context.serverOf(definition).catch((error: unknown) => neverSent(error))
  if ('verdict' in server) return fail(server)

  if (attempt.sentAt === undefined) {
    const tooLate = clock.boot() - began > timing.lease - timing.deadline
    if (tooLate || !(await store.update(id, (row, moment) => markSent(row, attempt, moment)))) {
      await store.update(id, (row, moment) => release(row, attempt, moment))
      return { kind: 'held' }
    }
  }

  const askedAt = clock.now()
  const outcome = await send(context, server, definition, held, keyOf(why)).then(
    (answer) => judge(answer, record.replayClass),
    (error: unknown) => neverSent(error),
  )
  if (outcome.verdict !== 'ok') return fail(outcome)
  const answered = sealAnswer(store, record, attempt, definition, held, keyOf(why), outcome.response, {
    askedAt,
    assumed: timing.assumedLifetime,
  })
  return committed(context, id, attempt, answered, record.schedule.failures)
}

interface Opened {
  readonly definition: GrantDefinition
  readonly held: Secret | undefined
}

function open(store: GrantStore, record: GrantRecord): Opened {
  const definition = readDefinition(
    store.seal.open(record.definition, { grant: record.id, field: 'definition' }),
  )
  const held =
    record.refreshToken === undefined
      ? undefined
      : new Secret(store.seal.open(record.refreshToken.sealed, { grant: record.id, field: 'refresh_token' }))
  return { definition, held }
}

const needsRefreshToken = ({ grantType }: GrantDefinition): boolean =>
  grantType === 'authorization_code' || grantType === 'refresh_token'

const nothingToSpend: FailedOutcome = {
  verdict: 'rejected',
  person: true,
  failure: {
    code: 'no_refresh_token',
    message: 'the provider gave no refresh token, so this login ends with its access token',
  },
}

/**
 * The wire never throws for what a network does: what is thrown went wrong while the request was made (no endpoint
 * found, an unreadable signing key, a fault of ours), so nothing left.
 */
function neverSent(error: unknown): FailedOutcome {
  const known = error instanceof EvertokenError
  const code = known ? error.code : 'internal'
  const message = error instanceof Error ? error.message : 'something that is no error was thrown'
  return { verdict: 'not_sent', failure: { code, message } }
}

/** Which message obtains the next token. The message files are loaded when first needed: reading needs none. */
async function send(
  { transport, clock, timing }: RefreshContext,
  server: ServerMetadata,
  definition: GrantDefinition,
  held: Secret | undefined,
  key: TokenKey,
): Promise<TokenAnswer> {
  const wire = { transport, now: clock.now, deadline: timing.deadline }
  const message = {
    scope: key.scope === '' ? definition.scope : key.scope.split(' '),
    resource: key.resource === '' ? definition.resource : [key.resource],
    parameters: definition.parameters,
  }
  const { client } = definition
  switch (definition.grantType) {
    case 'client_credentials': {
      const { clientCredentialsGrant } = await import('../oauth/client-credentials.ts')
      return clientCredentialsGrant(server, client, message, wire)
    }
    case 'jwt_bearer': {
      const { jwtBearerGrant } = await import('../oauth/jwt-bearer.ts')
      const template = definition.assertion
      if (template === undefined) throw new TypeError('a jwt_bearer grant without an assertion')
      const assertion = { ...template, audience: template.audience ?? server.tokenEndpoint }
      return jwtBearerGrant(server, client, { ...message, assertion }, wire)
    }
    case 'authorization_code':
    case 'refresh_token': {
      const { refreshTokenGrant } = await import('../oauth/refresh-token.ts')
      // RFC 6749 section 6: without a scope the new token has the one that was granted.
      const scope = key.scope === '' ? [] : message.scope
      return refreshTokenGrant(server, client, { ...message, scope, refreshToken: held as Secret }, wire)
    }
    default:
      return definition.grantType satisfies never
  }
}

/** Lifetime in ms, and how it is known. */
function lifetimeOf(
  response: Pick<TokenResponse, 'expiresIn' | 'jwtExpiresAt'>,
  askedAt: number,
  assumed: number,
): Pick<TokenRow, 'lifetime' | 'lifetimeFrom'> {
  if (response.expiresIn !== undefined) return { lifetime: response.expiresIn * 1000, lifetimeFrom: 'stated' }
  const fromJwt = response.jwtExpiresAt === undefined ? 0 : response.jwtExpiresAt * 1000 - askedAt
  return fromJwt > 0
    ? { lifetime: fromJwt, lifetimeFrom: 'jwt' }
    : { lifetime: assumed, lifetimeFrom: 'assumed' }
}

/** The members a user allowed to be handed out; tokens never are. */
function metadataOf(names: readonly string[], whole: Secret): Record<string, unknown> {
  if (names.length === 0) return {}
  const answer = JSON.parse(whole.reveal()) as Record<string, unknown>
  const kept = names.filter(
    (name) => Object.hasOwn(answer, name) && !/^(access|refresh|id)_token$/.test(name),
  )
  return Object.fromEntries(kept.map((name) => [name, answer[name]]))
}

/** Turns an answer into what is stored: everything secret sealed to its place. */
export function sealAnswer(
  store: GrantStore,
  record: Pick<GrantRecord, 'id'>,
  attempt: Pick<Attempt, 'fence'>,
  definition: GrantDefinition,
  held: Secret | undefined,
  key: TokenKey,
  response: TokenResponse,
  { askedAt, assumed }: { askedAt: number; assumed: number },
): Answered {
  const { lifetime, lifetimeFrom } = lifetimeOf(
    response,
    askedAt,
    definition.assumedLifetime === undefined ? assumed : definition.assumedLifetime * 1000,
  )
  const place = { grant: record.id, fence: attempt.fence }
  const payload = JSON.stringify({
    value: response.accessToken.reveal(),
    metadata: metadataOf(definition.metadata, response.whole),
  })
  const brought = response.refreshToken
  const isNew = brought !== undefined && brought.reveal() !== held?.reveal()
  return {
    token: {
      ...key,
      sealed: store.seal.seal(payload, { ...place, field: 'access_token', ...key }),
      type: response.tokenType,
      obtainedAt: askedAt,
      expiresAt: askedAt + lifetime,
      lifetime,
      lifetimeFrom,
      grantedScope: response.scope ?? (key.scope === '' ? definition.scope : key.scope.split(' ')),
    },
    refreshToken: isNew
      ? {
          sealed: store.seal.seal(brought.reveal(), { ...place, field: 'refresh_token' }),
          fingerprint: store.seal.fingerprint(brought.reveal()),
          receivedAt: askedAt,
        }
      : undefined,
  }
}

/** T2: only now is the new token anybody's. */
async function committed(
  { store, clock, troubled }: RefreshContext,
  id: string,
  attempt: Attempt,
  answered: Answered,
  failuresBefore: number,
): Promise<Refreshed> {
  const record = await durableWrite(
    () => store.update(id, (row, moment) => commit(row, attempt, answered, clock.now(), moment)),
    clock,
    (error) => troubled(id, error),
  )
  if (record === null) return { kind: 'held' }
  const token = findToken(record, answered.token) as TokenRow
  return { kind: 'refreshed', record, token, failuresBefore }
}

async function settled(
  { store, clock, timing, random }: RefreshContext,
  id: string,
  attempt: Attempt,
  key: TokenKey,
  outcome: FailedOutcome,
): Promise<Refreshed> {
  const record = await store.update(id, (row, moment) =>
    settle(row, attempt, outcome, key, { utc: clock.now(), timing, random }, moment),
  )
  return { kind: 'failed', record, outcome }
}

async function quarantined(
  context: RefreshContext,
  id: string,
  attempt: Attempt,
  why: Why,
  error: unknown,
): Promise<Refreshed> {
  const { store, clock } = context
  if (!(error instanceof EvertokenError)) throw error
  const failure = { code: error.code, message: error.message }
  // A key that is merely not configured is the operator's to bring back; the row itself may be perfectly good.
  if (error.code !== 'store_damaged')
    return settled(context, id, attempt, keyOf(why), { verdict: 'refused', failure })
  const record = await store.update(id, (row) => {
    if (row === undefined || parentOf(row) !== attempt.parent) return { result: row }
    const next = quarantine(row, error.message, clock.now())
    return { result: next, record: next }
  })
  return { kind: 'failed', record, outcome: { verdict: 'refused', failure } }
}
