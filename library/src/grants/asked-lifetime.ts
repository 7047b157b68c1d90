import type { ServerMetadata } from '../oauth/client.ts'
import { openedToken } from './answer.ts'
import type { GrantDefinition } from './definition.ts'
import { dueAt, findToken, type GrantRecord, type TokenRow } from './grant.ts'
import type { Refreshed } from './refresh.ts'
import type { Spending } from './spending.ts'
import type { Change, Moment } from './store.ts'

/** Milliseconds: longer is taken for a mistake, or for seconds that are milliseconds. */
const longest = 10 * 365 * 86_400_000

/**
 * Asks the provider how long a new token lives where it did not state it: `exp` of introspection (RFC 7662 section 2.2). Only
 * for clients with `introspection`, and where no lifetime was given to assume. The token is stored already, and good as it is
 * when no answer comes.
 */
export async function askedLifetime(
  { context, id, limits }: Spending,
  server: ServerMetadata,
  { client, assumedLifetime }: GrantDefinition,
  refreshed: Refreshed,
): Promise<Refreshed> {
  if (refreshed.kind !== 'refreshed') return refreshed
  const { token, record } = refreshed
  if (token.lifetimeFrom !== 'assumed' || assumedLifetime !== undefined || !record.facts.introspection)
    return refreshed
  const { store, clock, transport } = context
  const { introspectToken } = await import('../oauth/introspection.ts')
  // Readers wait for it: half of the patience for a refresh is more than it is worth.
  const wire = { transport, now: clock.now, deadline: limits.deadline / 2 }
  const answer = await introspectToken(
    server,
    client,
    { token: openedToken(store.seal, id, token), hint: 'access_token' },
    wire,
  )
  if (answer.kind !== 'introspected' || !answer.active || answer.exp === undefined) return refreshed
  const expiresAt = answer.exp * 1000
  const after = await store.update(id, (row, moment) =>
    withExpiry(row, token, expiresAt, clock.now(), moment),
  )
  const kept = after === undefined ? undefined : findToken(after, token)
  return after === undefined || kept === undefined ? refreshed : { ...refreshed, record: after, token: kept }
}

/** The expiry of that token, unless it has been replaced meanwhile. Pure. */
export function withExpiry(
  record: GrantRecord | undefined,
  token: TokenRow,
  expiresAt: number,
  utc: number,
  { time }: Moment,
): Change<GrantRecord | undefined> {
  const present = record === undefined ? undefined : findToken(record, token)
  const lifetime = expiresAt - token.obtainedAt
  if (record === undefined || present?.generation !== token.generation || present.fence !== token.fence)
    return { result: undefined }
  if (lifetime <= 0 || lifetime > longest) return { result: undefined }
  const known: TokenRow = { ...present, expiresAt, lifetime, lifetimeFrom: 'introspection' }
  const next = { ...record, tokens: record.tokens.map((row) => (row === present ? known : row)) }
  const { schedule, status, lease } = record
  // Who has claimed it since decides when it is due.
  const moves = status.state === 'active' && lease === undefined && schedule.failures === 0
  const changed = moves ? { ...next, schedule: { ...schedule, dueAt: dueAt(next, utc, time.at) } } : next
  return { result: changed, record: changed }
}
