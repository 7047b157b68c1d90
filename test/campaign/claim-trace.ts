import type { GrantStore, StoreOpener } from 'evertoken'

type Update = GrantStore['update']
type UpdateDue = GrantStore['updateDue']
type GrantRecord = Parameters<Parameters<UpdateDue>[1]>[0]

/** The same store, which tells of every claim that this process takes: the moment from which it may lose an answer. */
export function withClaimTrace(opener: StoreOpener, claimed: (grant: string) => void): StoreOpener {
  const look = (before: GrantRecord | undefined, after: GrantRecord | null | undefined): void => {
    if (after?.lease !== undefined && after.fence !== before?.fence) claimed(after.id)
  }
  return {
    async open() {
      const store = await opener.open()
      const update: Update = (id, decide) =>
        store.update(id, (record, moment) => {
          const change = decide(record, moment)
          look(record, change.record)
          return change
        })
      const updateDue: UpdateDue = (limit, decide) =>
        store.updateDue(limit, (record, moment) => {
          const change = decide(record, moment)
          look(record, change.record)
          return change
        })
      return new Proxy(store, {
        get(target, name) {
          if (name === 'update') return update
          if (name === 'updateDue') return updateDue
          const member: unknown = Reflect.get(target, name, target)
          return typeof member === 'function' ? member.bind(target) : member
        },
      })
    },
  }
}
