import { fingerprint } from '@evertoken/testing'
import type { GrantStore } from 'evertoken'
import { Keeper } from 'evertoken'
import { type StorePlace, storeOf } from './store-place.ts'

/** What the client has of one login at the end. Tokens are fingerprints. */
export interface HeldLogin {
  readonly grant: string
  readonly state: string
  readonly generation: number
  /** UTC ms of the last refresh that succeeded. */
  readonly refreshedAt?: number | undefined
  /** Refresh tokens that it would still use: the present one, and candidates. */
  readonly held: readonly string[]
  /** Ones that it had durably at some time: the one before, and what a day keeps. */
  readonly kept: readonly string[]
  /** Sends without a verdict. */
  readonly unresolved: number
  readonly upstream?: string | undefined
  readonly lastError?: string | undefined
}

/** Looks into the store and into the spools of the hosts, beside the processes. Sends nothing. */
export class Observer {
  readonly keeper: Keeper
  readonly #spools: ReadonlyMap<string, GrantStore>

  private constructor(keeper: Keeper, spools: ReadonlyMap<string, GrantStore>) {
    this.keeper = keeper
    this.#spools = spools
  }

  /** @param folder of its own; `hosts`: folder by name. */
  static async open(
    place: StorePlace,
    folder: string,
    hosts: ReadonlyMap<string, string>,
  ): Promise<Observer> {
    const keeper = await Keeper.open({ store: storeOf(place, folder) })
    const spools = new Map<string, GrantStore>()
    for (const [host, hostFolder] of hosts) spools.set(host, await storeOf(place, hostFolder).open())
    return new Observer(keeper, spools)
  }

  /** Answers that the dead of a host have left in its spool. */
  spooled(host: string): readonly { readonly grant: string; readonly refreshToken: string }[] {
    const { spool, seal } = this.#spools.get(host) as GrantStore
    return (spool?.remains() ?? []).flatMap(({ entries }) =>
      entries.flatMap(({ grant, answered: { refreshToken } }) =>
        refreshToken === undefined
          ? []
          : [
              {
                grant,
                refreshToken: fingerprint(seal.open(refreshToken.sealed, { grant, field: 'refresh_token' })),
              },
            ],
      ),
    )
  }

  async logins(): Promise<readonly HeldLogin[]> {
    const { store } = this.keeper
    const all: HeldLogin[] = []
    for (let after = ''; ; ) {
      const page = await store.list({ after })
      for (const record of page) {
        const open = (token: { readonly sealed: Uint8Array }): string =>
          fingerprint(store.seal.open(token.sealed, { grant: record.id, field: 'refresh_token' }))
        const { refreshToken, previousRefreshToken, candidates, status, schedule } = record
        all.push({
          grant: record.id,
          state: status.state,
          generation: record.tokens[0]?.generation ?? 0,
          refreshedAt: schedule.lastSuccessAt,
          held: [refreshToken, ...candidates.map((candidate) => candidate.refreshToken)].flatMap((token) =>
            token === undefined ? [] : [open(token)],
          ),
          kept: [previousRefreshToken, ...(await store.superseded(record.id))].flatMap((token) =>
            token === undefined ? [] : [open(token)],
          ),
          unresolved: record.attempts.filter(({ sentAt }) => sentAt !== undefined).length,
          upstream: status.state === 'revoked' ? status.upstream : undefined,
          lastError: schedule.lastError?.message,
        })
      }
      const last = page.at(-1)
      if (last === undefined) return all
      after = last.id
    }
  }

  async close(): Promise<void> {
    await this.keeper.close()
    for (const store of this.#spools.values()) await store.close()
  }
}
