import type { Clock } from '../clock.ts'
import { EvertokenError, ProviderError } from '../errors.ts'
import { type GrantRecord, mints, type Revocation } from './grant.ts'
import { unknownGrant } from './reading.ts'
import { isRevocable, revoke, settledTokens } from './revocation.ts'
import type { Change, GrantStore, Moment } from './store.ts'
import type { Timing } from './timing.ts'

export interface RemovalOptions {
  /** Ends the login at the provider first (RFC 7009), and removes nothing before that is done. Default false. */
  revoke?: boolean | undefined
}

interface Keeping {
  readonly store: GrantStore
  readonly clock: Clock
  readonly timing: Timing
  /** Waits until no reader is served any more and the provider was told, or could not be. */
  readonly tell: (id: string) => Promise<void>
}

/** The login that was revoked, by what no other login of that name shares. */
type RevokedLogin = Pick<GrantRecord, 'createdAt' | 'epoch' | 'loginAt'> & { readonly since: number }

type Begun =
  | { readonly kind: 'removed'; readonly revocation: Revocation | undefined }
  /** `answers`: milliseconds until no refresh that was sent before can bring another refresh token. */
  | { readonly kind: 'revoking'; readonly login: RevokedLogin; readonly answers: number }

/** Ends the login, tells the provider, and deletes the grant once that is done. For errors see `Keeper.remove`. */
export async function revokeAndRemove(
  id: string,
  { store, clock, timing, tell }: Keeping,
): Promise<Revocation | undefined> {
  const begun = await store.update(id, (record, moment): Change<Begun> => {
    if (record === undefined) throw unknownGrant(id, store.location)
    return begin(record, clock.now(), timing.lease, moment)
  })
  if (begun.kind === 'removed') return begun.revocation
  const { login, answers } = begun
  await tell(id)
  if (answers > 0) {
    // A late answer brings a refresh token that is to be revoked as well; without its grant nobody would.
    await clock.sleep(answers)
    await tell(id)
  }
  return store.update(id, (record) => {
    if (record === undefined) throw unknownGrant(id, store.location)
    return { result: revocationOf(record, login), record: null }
  })
}

function begin(record: GrantRecord, utc: number, lease: number, moment: Moment): Change<Begun> {
  const { status } = record
  if (status.state === 'revoked') {
    const { since } = status
    const revocation = revocationOf(record, { ...record, since })
    return { result: { kind: 'removed', revocation }, record: null }
  }
  const answers = answersWithin(record, lease, moment)
  if (answers === 0 && !isRevocable(record))
    return { result: { kind: 'removed', revocation: undefined }, record: null }
  const next = revoke(record, utc, moment)
  const since = next.status.state === 'revoking' ? next.status.since : utc
  const { createdAt, epoch, loginAt } = record
  const result = { kind: 'revoking', login: { createdAt, epoch, loginAt, since }, answers } as const
  return next === record ? { result } : { result, record: next }
}

/** Milliseconds until every refresh that was sent is answered and stored, or is not going to be. */
function answersWithin(record: GrantRecord, lease: number, { time }: Moment): number {
  const left = record.attempts.map(({ sentAt, boot, localDone }) =>
    sentAt === undefined || localDone || boot !== time.boot ? 0 : sentAt + lease - time.at,
  )
  return Math.max(0, ...left)
}

/** What became of the login at the provider. Throws where the grant may not be deleted. */
function revocationOf(record: GrantRecord, login: RevokedLogin): Revocation {
  const { id, status } = record
  const over = status.state === 'revoking' || status.state === 'revoked'
  const same =
    record.createdAt === login.createdAt && record.epoch === login.epoch && record.loginAt === login.loginAt
  if (!over || !same || status.since !== login.since)
    throw new EvertokenError(
      'grant_exists',
      `the login of ${id} is revoked, but the grant has become another one meanwhile: that one is not removed`,
      {
        grant: id,
        advice: `Look at it with evertoken show ${id}, and remove it if it is not wanted either.`,
      },
    )
  if (status.state === 'revoked' && status.upstream !== 'failed')
    return { upstream: status.upstream, told: status.told }
  // Minted tokens end by themselves, and without a login there is nothing else to end.
  if (mints(record.grantType)) return { upstream: 'failed', told: status.told && settledTokens(status.told) }
  if (status.state === 'revoked')
    throw new EvertokenError(
      'grant_revoked',
      `grant ${id} is revoked here, but the provider could not be told within seven days: nothing is removed`,
      {
        grant: id,
        advice: `End the login on the provider's own pages; evertoken remove ${id} then forgets the grant.`,
      },
    )
  const { lastError } = record.schedule
  const why = lastError === undefined ? '' : `: ${lastError.message}`
  throw new ProviderError(
    'provider_error',
    `the login of ${id} is stopped here and nothing is lost, but the provider is still being told, so nothing is removed yet${why}`,
    {
      grant: id,
      advice: `It is told again by itself for seven days; evertoken remove ${id} --revoke, run again later, removes the grant then.`,
    },
  )
}
