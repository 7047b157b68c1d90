import { commit } from './commit.ts'
import { durableWrite } from './durable-write.ts'
import type { GrantRecord } from './grant.ts'
import type { RefreshContext } from './refresh.ts'
import type { SpoolEntry } from './spool.ts'

type DrainContext = Pick<RefreshContext, 'store' | 'clock' | 'timing' | 'troubled' | 'drained' | 'faultPoint'>

const underWay = new WeakMap<object, Promise<void>>()

/**
 * Stores what processes of this host that are gone had received and not stored. Before every claim: a process that died
 * with the newest refresh token must not be followed by one that sends the old one. Cheap when nothing was left.
 */
export function drain(context: DrainContext): Promise<void> {
  const { spool } = context.store
  if (spool === undefined) return settledPromise
  const busy = underWay.get(spool)
  if (busy !== undefined) return busy.then(() => drain(context))
  const remains = spool.remains()
  if (remains.length === 0) return settledPromise
  const work = (async () => {
    for (const { entries, discard } of remains) {
      for (const entry of entries) await apply(context, entry)
      discard()
      context.faultPoint?.('post_discard')
    }
  })().finally(() => underWay.delete(spool))
  underWay.set(spool, work)
  return work
}

const settledPromise = Promise.resolve()

/** Commits one spooled answer, as the process that received it would have; harmless when it had already. */
export async function apply(context: DrainContext, { grant, attempt, answered }: SpoolEntry): Promise<void> {
  const { store, clock, timing, troubled, drained, faultPoint } = context
  const old = await store.superseded(grant)
  if (old.some(({ fingerprint }) => fingerprint === answered.refreshToken?.fingerprint)) return
  faultPoint?.('pre_drain_commit')
  let before: GrantRecord | undefined
  const after = await durableWrite(
    () =>
      store.update(grant, (row, moment) => {
        before = row
        return commit(row, attempt, answered, { utc: clock.now(), timing }, moment)
      }),
    clock,
    (error) => troubled(grant, error),
  )
  faultPoint?.('post_drain_commit')
  if (after !== null && before !== undefined && after !== before) drained(after, before)
}
