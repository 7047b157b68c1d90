import type { Clock } from '../clock.ts'
import type { FailedOutcome, Outcome } from './outcome.ts'
import type { GrantStore } from './store.ts'

/*
 * STAND-IN by the lead, so that the rest runs: whoever owns this file replaces all of it and keeps these names, which
 * refresh.ts and keeper.ts call.
 */
export class Circuits {
  constructor(_options: { store: GrantStore; clock: Clock; random: () => number }) {}
  /** Store time before which nothing is sent; synchronous, from the cache. Also notes that the key is in use. */
  closedUntil(_key: string, _strict: boolean): number | undefined {
    return undefined
  }
  /** Waits for a slot (undefined), or says the store time at which to try again. */
  async permit(
    _key: string,
    _rate: number | undefined,
    _how: { interactive: boolean },
  ): Promise<number | undefined> {
    return undefined
  }
  report(_key: string, _what: { grant: string; outcome: Outcome | FailedOutcome }): void {}
  reportAge(_key: string, _ms: number): void {}
  incident(_key: string): boolean {
    return false
  }
  lifetime(_key: string): number | undefined {
    return undefined
  }
}
