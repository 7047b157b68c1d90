import type { JsonObject } from '../oauth/json-object.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import { sealAnswer } from './answer.ts'
import type { GrantDefinition } from './definition.ts'
import { dueAt, type GrantRecord, ownToken } from './grant.ts'
import { notify } from './notice.ts'
import type { RefreshContext } from './refresh.ts'
import { noticedUnstated } from './unstated-lifetime.ts'

/** What a login began with. */
export interface Brought {
  readonly definition: GrantDefinition
  readonly response: TokenResponse
  /** UTC ms before the request for the tokens. */
  readonly askedAt: number
  /** UTC ms at which the person was sent to the provider; default: as `askedAt`. */
  readonly begunAt?: number | undefined
  /** Of the provider, where one is known: who an id_token has to come from. */
  readonly issuer?: string | undefined
  /** What the provider sent the person back with, of what its profile names. */
  readonly callback?: JsonObject | undefined
  /** Another account than before may take over the grant. */
  readonly otherAccount?: boolean | undefined
}

/** A new consent is a new login: what the old one left behind is neither used nor believed any more. */
export function newLogin(
  { store, clock, timing }: Pick<RefreshContext, 'store' | 'clock' | 'timing'>,
  record: GrantRecord,
  { definition, response, askedAt, issuer, callback }: Brought,
  storeNow: number,
  message: string,
): GrantRecord {
  const fence = record.fence + 1
  const { token, refreshToken, subject, refreshTokenExpiresAt } = sealAnswer(
    {
      seal: store.seal,
      record: { id: record.id, tokens: [], subject: record.subject },
      attempt: { fence },
      definition,
      held: undefined,
      key: ownToken,
      askedAt,
      livesFrom: askedAt,
      issuer,
      assumedLifetime: timing.assumedLifetime,
      callback,
    },
    response,
  )
  const generation = 1 + record.tokens.reduce((highest, old) => Math.max(highest, old.generation), 0)
  const renewed: GrantRecord = {
    ...record,
    status: { state: 'active' },
    epoch: record.epoch + 1,
    fence,
    lease: undefined,
    refreshToken,
    previousRefreshToken: undefined,
    candidates: [],
    subject,
    loginAt: askedAt,
    refreshTokenExpiresAt,
    tokens: [{ ...token, generation, fence }],
    attempts: [],
    updatedAt: clock.now(),
  }
  const schedule = { backoffUntil: 0, failures: 0, lastSuccessAt: clock.now() }
  const connected = notify(renewed, 'connected', message, clock.now())
  const noticed = noticedUnstated(connected, token, clock.now())
  return { ...noticed, schedule: { ...schedule, dueAt: dueAt(renewed, clock.now(), storeNow) } }
}
