import { EvertokenError } from '../errors.ts'
import { refreshes } from './grant.ts'
import type { GrantStore } from './store.ts'

/**
 * The host of a spool never comes back: what it may have received is given up waiting for.
 *
 * @returns how many grants waited for it.
 * @throws EvertokenError `not_found` when the store knows no such spool.
 */
export async function retireSpool(store: GrantStore, spool: string, utc: number): Promise<number> {
  if (!(await store.retireSpool(spool, utc)))
    throw new EvertokenError('not_found', `there is no spool ${spool}`, {
      advice: 'evertoken spool list shows those there are.',
    })
  const ids = await store.attemptedFrom(spool)
  const updates = ids.map((id) =>
    store.update(id, (record, { time }) => {
      if (record === undefined) return { result: undefined }
      const attempts = record.attempts.map((open) =>
        open.spool === spool ? { ...open, localDone: true } : open,
      )
      const dueAt = refreshes(record.status) ? time.at : record.schedule.dueAt
      return { result: undefined, record: { ...record, attempts, schedule: { ...record.schedule, dueAt } } }
    }),
  )
  await Promise.all(updates)
  return ids.length
}
