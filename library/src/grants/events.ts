import type { ErrorCode } from '../errors.ts'
import type { CircuitNews } from './circuits.ts'
import type { Revocation } from './grant.ts'
import type { Notice } from './notice.ts'

/** What a keeper tells of its own refreshes. Times are UTC ms. */
export interface KeeperEvents {
  /** A new token is committed and readable. */
  refreshed: {
    readonly grant: string
    readonly scope: string
    readonly resource: string
    readonly generation: number
    readonly expiresAt: number
    readonly lifetime: number
  }
  /** A try failed; the grant is tried again by itself. */
  failing: {
    readonly grant: string
    readonly code: ErrorCode
    readonly message: string
    readonly failures: number
    readonly nextAttemptAt: number | undefined
  }
  /** The provider has refused for certain: a person has to consent again, or to mend what tokens are minted with; `advice` says which. */
  reauthorization_required: {
    readonly grant: string
    readonly reason: string
    readonly advice: string | undefined
  }
  /** A grant that had failed works again. */
  recovered: { readonly grant: string; readonly failures: number }
  /** Something a person must know was written into the store, by this process. */
  notice: Notice & { readonly grant: string }
  /** A provider is in trouble, or out of it; or the store could not be asked about that. */
  circuit: CircuitNews
  /** The provider was told that a login is over, or could not be told for good. */
  revoked: { readonly grant: string } & Revocation
}

export type KeeperEvent = keyof KeeperEvents

type Listener<E extends KeeperEvent> = (facts: KeeperEvents[E]) => void

/** Listeners by event. One that throws does not disturb the others or the refresh. */
export class Listeners {
  readonly #byEvent = new Map<KeeperEvent, Set<Listener<never>>>()

  on<E extends KeeperEvent>(event: E, listener: Listener<E>): () => void {
    const listeners = this.#byEvent.get(event) ?? new Set()
    this.#byEvent.set(event, listeners)
    listeners.add(listener as Listener<never>)
    return () => void listeners.delete(listener as Listener<never>)
  }

  emit<E extends KeeperEvent>(event: E, facts: KeeperEvents[E]): void {
    for (const listener of this.#byEvent.get(event) ?? [])
      try {
        ;(listener as Listener<E>)(facts)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
  }
}
