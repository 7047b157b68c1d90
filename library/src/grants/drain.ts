import { adopted } from './adoption.ts'
import { commit } from './commit.ts'
import { durableWrite } from './durable-write.ts'
import { everyGrant } from './every-grant.ts'
import type { GrantRecord } from './grant.ts'
import { notify } from './notice.ts'
import type { RefreshContext } from './refresh.ts'
import type { Spool, SpoolEntry } from './spool.ts'

type DrainContext = Pick<
  RefreshContext,
  'store' | 'clock' | 'timing' | 'troubled' | 'drained' | 'uncommitted' | 'faultPoint'
>

/** One drain of a spool at a time, and one that all wait for who came meanwhile. */
interface Turn {
  running?: Promise<void> | undefined
  next?: Promise<void> | undefined
}

const turns = new WeakMap<Spool, Turn>()
const done = Promise.resolve()

/**
 * Stores what this host had received and the store does not have: left by processes that are gone, or lost by a failover.
 * Before every claim: a process that died with the newest refresh token must not be followed by one that sends the old
 * one. Cheap when nothing was left.
 */
export function drain(context: DrainContext): Promise<void> {
  const { spool } = context.store
  if (spool === undefined) return done
  const turn = turns.get(spool) ?? {}
  turns.set(spool, turn)
  if (turn.running === undefined) return begin(context, spool, turn)
  turn.next ??= turn.running
    .catch(() => undefined)
    .then(() => {
      turn.next = undefined
      return begin(context, spool, turn)
    })
  return turn.next
}

function begin(context: DrainContext, spool: Spool, turn: Turn): Promise<void> {
  const remains = spool.remains()
  const lost = context.store.regressions?.()
  // It may fail while what the dead have left is being stored, when nobody waits for it yet: that would end the process.
  lost?.catch(() => undefined)
  if (remains.length === 0 && lost === undefined) return done
  turn.running = (async () => {
    const entries = remains.flatMap((of) => of.entries)
    await Promise.all(byGrant(entries).map((ofGrant) => applyInOrder(context, ofGrant)))
    for (const { discard } of remains) {
      discard()
      context.faultPoint?.('post_discard')
    }
    if (lost !== undefined) await repair(context, await lost)
  })().finally(() => {
    turn.running = undefined
  })
  return turn.running
}

/**
 * What different grants received shares transactions. What one grant received is taken in the order of its claims, whichever file
 * it stands in: a child before its parent would leave the parent as the present refresh token, which is spent.
 */
function byGrant(entries: readonly SpoolEntry[]): readonly (readonly SpoolEntry[])[] {
  const groups = [...Map.groupBy(entries, ({ grant }) => grant).values()]
  return groups.map((ofGrant) => ofGrant.toSorted((one, other) => one.attempt.fence - other.attempt.fence))
}

async function applyInOrder(context: DrainContext, entries: readonly SpoolEntry[]): Promise<void> {
  for (const entry of entries) await apply(context, entry)
}

/** Commits one spooled answer, as the process that received it would have; harmless when it had already. */
async function apply(context: DrainContext, { grant, attempt, answered }: SpoolEntry): Promise<void> {
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

/**
 * A store that has lost commits gets them again out of the spool. What other hosts had committed may be lost as well, so
 * every refresh token that may have been spent is handled as in a copied store: probed, or waited for, before it is sent.
 */
async function repair(context: DrainContext, entries: readonly SpoolEntry[]): Promise<void> {
  const { store, clock, uncommitted, drained } = context
  const repaired = new Set<string>()
  for (const entry of entries) {
    const { grant, attempt } = entry
    if (uncommitted.has(attempt.id)) continue
    const row = await store.read(grant)
    // A process of this host that lives may be about to commit it.
    const lost = row !== undefined && (row.fence < attempt.fence || attempt.owner === store.owner)
    await apply(context, entry)
    if (lost) repaired.add(grant)
  }
  if (repaired.size === 0) return
  const message = 'the store had lost what it was given; the spool of this host has repaired it'
  await everyGrant(store, (row, moment) => {
    if (!repaired.has(row.id)) return adopted(row, crypto.randomUUID(), store.owner, moment)
    const next = notify(row, 'store_regression', message, clock.now())
    if (next !== row) drained(next, row)
    return next
  })
}
