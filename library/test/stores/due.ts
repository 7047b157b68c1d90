import type { GrantStore } from '../../src/grants/store.ts'

/** Ids of what is due; nothing is changed. */
export const dueIds = (store: GrantStore, limit: number): Promise<readonly string[]> =>
  store.updateDue(limit, ({ id }) => ({ result: id }))
