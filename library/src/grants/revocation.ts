import type { Claimed } from './claim.ts'
import type { GrantRecord, TokenRevocation, ToldTokens, UpstreamRevocation } from './grant.ts'
import type { RefreshContext } from './refresh.ts'
import { backoff } from './schedule.ts'
import type { Change, Moment } from './store.ts'
import { refreshTokensOf, type Telling, tellTokens } from './told-tokens.ts'

/**
 * A login ends: from this commit on nothing of it is served, and no answer under way brings it back (RFC 7009). The
 * provider is told afterwards. A grant that never had a login is revoked at once.
 */
export function revoke(record: GrantRecord, utc: number, { time }: Moment): GrantRecord {
  const { state } = record.status
  if (state === 'revoking' || state === 'revoked') return record
  return {
    ...record,
    status: { state: 'revoking', since: utc },
    fence: record.fence + 1,
    lease: undefined,
    schedule: { ...record.schedule, dueAt: time.at, backoffUntil: 0, failures: 0 },
    updatedAt: utc,
  }
}

/** Whether there is anything of a login that the provider could be told of. */
export const isRevocable = (record: GrantRecord): boolean =>
  refreshTokensOf(record).length > 0 || record.tokens.length > 0

/** Tells the provider, and notes what came of it. */
export async function revokeUpstream(
  context: RefreshContext,
  id: string,
  { record, attempt }: Claimed,
): Promise<GrantRecord | undefined> {
  const { store, clock, timing, random } = context
  const telling = await tellTokens(context, record)
  return store.update(id, (row, moment) =>
    afterTelling(row, record, attempt.fence, telling, { utc: clock.now(), timing, random }, moment),
  )
}

function afterTelling(
  row: GrantRecord | undefined,
  seen: GrantRecord,
  fence: number,
  { told, retryAfter }: Telling,
  by: Pick<RefreshContext, 'timing' | 'random'> & { readonly utc: number },
  { time }: Moment,
): Change<GrantRecord | undefined> {
  if (row === undefined || row.status.state !== 'revoking' || row.fence !== fence) return { result: row }
  const { since } = row.status
  const free: GrantRecord = { ...row, lease: undefined }
  // An answer came in meanwhile: its refresh token is to be revoked as well.
  const more = row.candidates.some((candidate) => !seen.candidates.some(({ id }) => id === candidate.id))
  const pending = [told.refreshToken, told.accessToken].find((one) => one?.outcome === 'pending')
  const givenUp = pending !== undefined && by.utc - since > by.timing.revocation
  if (more || (pending !== undefined && !givenUp)) {
    const failures = free.schedule.failures + (more ? 0 : 1)
    const wait = more ? 0 : backoff(failures, 'fresh', by.random, retryAfter)
    const message = `the provider could not be told of the revocation yet (${pending?.why ?? 'no answer'})`
    const next: GrantRecord = {
      ...free,
      status: { state: 'revoking', since, told },
      schedule: {
        ...free.schedule,
        failures,
        dueAt: time.at + wait,
        lastError: more ? free.schedule.lastError : { code: 'provider_error', message, at: by.utc },
      },
    }
    return { result: next, record: next }
  }
  const next = over(free, told)
  return { result: next, record: next }
}

/** Nobody is told again. */
export const settledTokens = ({ refreshToken, accessToken }: ToldTokens): ToldTokens => ({
  refreshToken: settled(refreshToken),
  accessToken: settled(accessToken),
})

const settled = (token: TokenRevocation | undefined): TokenRevocation | undefined =>
  token?.outcome === 'pending' ? { ...token, outcome: 'failed' } : token

/** Nothing of the login is left. */
function over(record: GrantRecord, told: ToldTokens): GrantRecord {
  const since = record.status.state === 'revoking' ? record.status.since : record.updatedAt
  const { refreshToken, accessToken } = settledTokens(told)
  // The refresh token is the login; an access token that outlives it ends by itself.
  const upstream = ((refreshToken ?? accessToken)?.outcome ?? 'revoked') as UpstreamRevocation
  return {
    ...record,
    status: { state: 'revoked', since, upstream, told: { refreshToken, accessToken } },
    refreshToken: undefined,
    previousRefreshToken: undefined,
    candidates: [],
    tokens: [],
    attempts: [],
    schedule: {
      ...record.schedule,
      dueAt: null,
      backoffUntil: 0,
      failures: 0,
      lastError: undefined,
    },
  }
}
