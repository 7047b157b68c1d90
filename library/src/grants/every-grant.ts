import type { GrantRecord } from './grant.ts'
import type { GrantStore, Moment } from './store.ts'

/**
 * Runs a decision on every grant of a store, page by page; what it leaves as it is is not written.
 *
 * @param progress told of grants done so far.
 * @returns how many were changed.
 */
export async function everyGrant(
  store: GrantStore,
  decide: (record: GrantRecord, moment: Moment) => GrantRecord,
  progress: (done: number) => void = () => undefined,
): Promise<number> {
  let done = 0
  let changed = 0
  for (let after = ''; ; ) {
    const page = await store.list({ after })
    const last = page.at(-1)
    if (last === undefined) return changed
    const updates = page.map(({ id }) =>
      store.update(id, (record, moment) => {
        const next = record === undefined ? record : decide(record, moment)
        return next === record ? { result: false } : { result: true, record: next }
      }),
    )
    changed += (await Promise.all(updates)).filter(Boolean).length
    done += page.length
    progress(done)
    after = last.id
  }
}
