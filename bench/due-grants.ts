import { type GrantStore, type Keeper, type ReplayClass, refreshToken } from 'evertoken'

/** Logins that spend a refresh token at `tokenUrl`; gives their names. */
export async function addLogins(
  keeper: Keeper,
  count: number,
  tokenUrl: string,
  replayClass: ReplayClass,
): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, index) => `grant-${index}`)
  const add = (id: string) =>
    keeper.add(
      id,
      refreshToken({
        tokenUrl,
        clientId: 'bench',
        clientSecret: 'bench',
        refreshToken: `rt-${id}`,
        replayClass,
      }),
    )
  for (const some of inBatches(ids)) await Promise.all(some.map(add))
  return ids
}

/** Makes grants due at store time `at`, with nobody at them and nothing under way. */
export async function setDue(store: GrantStore, ids: readonly string[], at: number): Promise<void> {
  for (const some of inBatches(ids))
    await Promise.all(
      some.map((id) =>
        store.update(id, (record) => {
          if (record === undefined) throw new Error(`there is no grant ${id}`)
          const schedule = { ...record.schedule, dueAt: at }
          return { result: undefined, record: { ...record, lease: undefined, attempts: [], schedule } }
        }),
      ),
    )
}

function* inBatches(ids: readonly string[], size = 500): Generator<readonly string[]> {
  for (let from = 0; from < ids.length; from += size) yield ids.slice(from, from + size)
}
