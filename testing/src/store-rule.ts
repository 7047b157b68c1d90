import type { GrantStore } from 'evertoken'

/** One store that is empty at first. Whoever makes it closes what was opened, and takes it away. */
export interface StoreUnderTest {
  /** Opens it; again gives another connection, as another process has it, where the store is `shared`. */
  open(): Promise<GrantStore>
  readonly shared: boolean
}

export interface Rule {
  readonly name: string
  /** Needs two connections to one store. */
  readonly shared?: true
  readonly check: (subject: StoreUnderTest) => Promise<void>
}
