import type { RevocationAnswer } from '../oauth/revocation.ts'
import { Secret } from '../secret.ts'
import type { Claimed } from './claim.ts'
import { openedDefinition } from './definition.ts'
import { findToken, type GrantRecord, ownToken, type Sealed, type UpstreamRevocation } from './grant.ts'
import type { RefreshContext } from './refresh.ts'
import { backoff } from './schedule.ts'
import type { Change, Moment } from './store.ts'

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

interface Revocable {
  readonly sealed: Sealed
  readonly field: 'refresh_token' | 'access_token'
}

/** Every refresh token that may be alive; where the grant has none, its access tokens. */
export const revocable = (record: GrantRecord): readonly Revocable[] => {
  const held = [
    record.refreshToken,
    ...record.candidates.map(({ refreshToken }) => refreshToken),
    record.previousRefreshToken,
  ]
  const refreshTokens = held.flatMap((token) =>
    token === undefined ? [] : [{ sealed: token.sealed, field: 'refresh_token' as const }],
  )
  if (refreshTokens.length > 0) return refreshTokens
  const own = findToken(record, ownToken)
  return own === undefined ? [] : [{ sealed: own.sealed, field: 'access_token' as const }]
}

/** Tells the provider, and notes what came of it. */
export async function revokeUpstream(
  context: RefreshContext,
  id: string,
  { record, attempt }: Claimed,
): Promise<GrantRecord | undefined> {
  const { store, clock, timing, random } = context
  let told: UpstreamRevocation | 'later' = 'revoked'
  let answer: RevocationAnswer | undefined
  const tokens = revocable(record)
  try {
    const definition = openedDefinition(store.seal, record)
    const server = await context.serverOf(definition)
    const { revokeToken } = await import('../oauth/revocation.ts')
    const wire = { transport: context.transport, now: clock.now, deadline: timing.deadline }
    for (const { sealed, field } of tokens) {
      const place = field === 'access_token' ? { grant: id, field, ...ownToken } : { grant: id, field }
      const text = store.seal.open(sealed, place)
      const value = field === 'access_token' ? (JSON.parse(text) as { value: string }).value : text
      answer = await revokeToken(server, definition.client, { token: new Secret(value), hint: field }, wire)
      if (answer.kind === 'revoked') continue
      told = answer.kind === 'unsupported' ? 'unsupported' : 'later'
      break
    }
  } catch (error) {
    // No endpoint found, or a row that does not open: it may be mended until the seven days are over.
    told = 'later'
    answer = { kind: 'failed', status: 0, error: error instanceof Error ? error.message : String(error) }
  }
  return store.update(id, (row, moment) =>
    afterTelling(row, record, attempt.fence, told, answer, { utc: clock.now(), timing, random }, moment),
  )
}

function afterTelling(
  row: GrantRecord | undefined,
  seen: GrantRecord,
  fence: number,
  told: UpstreamRevocation | 'later',
  answer: RevocationAnswer | undefined,
  by: Pick<RefreshContext, 'timing' | 'random'> & { readonly utc: number },
  { time }: Moment,
): Change<GrantRecord | undefined> {
  if (row === undefined || row.status.state !== 'revoking' || row.fence !== fence) return { result: row }
  const { since } = row.status
  const free: GrantRecord = { ...row, lease: undefined }
  // An answer came in meanwhile: its refresh token is to be revoked as well.
  const more = row.candidates.some((candidate) => !seen.candidates.some(({ id }) => id === candidate.id))
  const givenUp = told === 'later' && by.utc - since > by.timing.revocation
  if (more || (told === 'later' && !givenUp)) {
    const failures = free.schedule.failures + (more ? 0 : 1)
    const wait = more ? 0 : backoff(failures, 'fresh', by.random, retryAfterOf(answer))
    const message = `the provider could not be told of the revocation yet (${wordsOf(answer)})`
    const next: GrantRecord = {
      ...free,
      schedule: {
        ...free.schedule,
        failures,
        dueAt: time.at + wait,
        lastError: more ? free.schedule.lastError : { code: 'provider_error', message, at: by.utc },
      },
    }
    return { result: next, record: next }
  }
  const next = over(free, told === 'later' ? 'failed' : told)
  return { result: next, record: next }
}

/** Nothing of the login is left. */
function over(record: GrantRecord, upstream: UpstreamRevocation): GrantRecord {
  const since = record.status.state === 'revoking' ? record.status.since : record.updatedAt
  return {
    ...record,
    status: { state: 'revoked', since, upstream },
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

const retryAfterOf = (answer: RevocationAnswer | undefined): number | undefined =>
  answer?.kind === 'failed' ? answer.retryAfter : undefined

function wordsOf(answer: RevocationAnswer | undefined): string {
  switch (answer?.kind) {
    case 'failed':
      return answer.error ?? `status ${answer.status}`
    case 'silence':
      return answer.detail
    default:
      return 'no answer'
  }
}
