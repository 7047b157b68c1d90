import type { Answered } from './attempt.ts'
import type { Attempt } from './grant.ts'

/** A provider's answer on its way into the store. Everything secret in it is sealed already. */
export interface SpoolEntry {
  readonly grant: string
  readonly attempt: Pick<Attempt, 'id' | 'fence' | 'parent' | 'owner'>
  readonly answered: Answered
}

/** Entries of one process that is gone. */
export interface SpoolRemains {
  readonly owner: string
  readonly entries: readonly SpoolEntry[]
  /** The store has them all: the file goes. */
  readonly discard: () => void
}

/**
 * Where an answer is durable on this host before the store has it. One folder for a host, one file for a process. Rules:
 *
 * 1. `append` resolves only once the entry is on the disk; it rejects with `disk_full` or `spool_unavailable`.
 * 2. An entry stays until it is settled, or until its process is gone and somebody has drained the file.
 * 3. What is torn, foreign or damaged is set aside and told, and stops nothing.
 */
export interface Spool {
  /** Written into the folder once; attempts carry it. */
  readonly id: string
  readonly folder: string
  append(entry: SpoolEntry): Promise<void>
  /** Rejects, as `append` would, where the next answer could not be kept: then no refresh token is sent that rotates. */
  ready(): Promise<void>
  /** The store has the answer of that attempt durably. */
  settle(attemptId: string): void
  /** What processes of this host left that are gone. Cheap when there is nothing. */
  remains(): readonly SpoolRemains[]
  /** Whether that process is known to be gone and its file holds nothing any more. False when in doubt. */
  isGone(owner: string): boolean
}
