import { type Clock, systemClock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { GrantRecord } from '../grants/grant.ts'
import type { Seal } from '../grants/seal.ts'
import type { ApiKey, Consent, GrantStore, Moment, StoreOpener } from '../grants/store.ts'

export interface MemoryStoreOptions {
  clock?: Clock | undefined
  /**
   * Says that losing every login at exit is understood. Without it a grant whose refresh token may rotate is refused
   * with `store_not_durable`: its newest refresh token would exist nowhere else.
   */
  ephemeral?: boolean | undefined
  /**
   * Awaited with each changed record, and what it was, before anybody can read the change; when it throws, the change
   * is not made. For programs that keep tokens themselves: see tokenSource.
   */
  save?: ((before: GrantRecord | undefined, after: GrantRecord, seal: Seal) => Promise<void>) | undefined
}

/** A store for one process that forgets everything at exit: for scripts, tests, and grants that need no memory. */
export function memoryStore({
  clock = systemClock,
  ephemeral = false,
  save,
}: MemoryStoreOptions = {}): StoreOpener {
  return {
    async open() {
      // Loaded when opened: importing evertoken needs no node:crypto.
      const { memorySeal } = await import('../grants/seal.ts')
      return openMemory(memorySeal(), clock, ephemeral, save)
    },
  }
}

function openMemory(
  seal: Seal,
  clock: Clock,
  ephemeral: boolean,
  save: MemoryStoreOptions['save'],
): GrantStore {
  const durable = ephemeral || save !== undefined
  /** One change at a time: with a save to wait for, a change takes more than one turn. */
  let last: Promise<unknown> = Promise.resolve()
  const grants = new Map<string, GrantRecord>()
  const consents = new Map<string, Consent>()
  const apiKeys = new Map<string, ApiKey>()
  let version = 0
  let open = true
  const time = () => ({ at: clock.boot(), boot: clock.bootId })
  const moment = (): Moment => ({ time: time(), isDead: () => false })
  const checkOpen = () => {
    if (!open) throw new EvertokenError('closed', 'the memory store is closed')
  }
  const waiting = (): readonly GrantRecord[] =>
    [...grants.values()]
      .filter((record) => record.schedule.dueAt !== null)
      .sort((a, b) => (a.schedule.dueAt ?? 0) - (b.schedule.dueAt ?? 0))

  return {
    storeId: crypto.randomUUID(),
    seal,
    owner: crypto.randomUUID(),
    location: 'memory',
    time,
    version() {
      checkOpen()
      return version
    },
    async read(id) {
      checkOpen()
      return grants.get(id)
    },
    update(id, decide) {
      const change = async () => {
        checkOpen()
        const { result, record } = decide(grants.get(id), moment())
        if (record === undefined) return result
        if (record === null) {
          grants.delete(id)
          for (const [hash, consent] of consents) if (consent.grant === id) consents.delete(hash)
        } else {
          if (record.replayClass === 'strict' && !durable) throw notDurable(id)
          await save?.(grants.get(id), record, seal)
          grants.set(id, record)
        }
        version += 1
        return result
      }
      const mine = last.then(change)
      last = mine.catch(() => undefined)
      return mine
    },
    async due(limit) {
      checkOpen()
      const { at } = time()
      return waiting()
        .filter((record) => (record.schedule.dueAt ?? 0) <= at)
        .slice(0, limit)
        .map((record) => record.id)
    },
    async nextDue() {
      checkOpen()
      return waiting()[0]?.schedule.dueAt ?? undefined
    },
    async list({ after = '', limit = 1000 } = {}) {
      checkOpen()
      return [...grants.values()]
        .filter((record) => record.id > after)
        .sort((a, b) => (a.id < b.id ? -1 : 1))
        .slice(0, limit)
    },
    async putConsent(consent) {
      checkOpen()
      const now = clock.now()
      for (const [hash, old] of consents) if (old.expiresAt <= now) consents.delete(hash)
      consents.set(consent.stateHash, consent)
    },
    async takeConsent(stateHash) {
      checkOpen()
      const consent = consents.get(stateHash)
      consents.delete(stateHash)
      return consent
    },
    async putApiKey(key) {
      checkOpen()
      apiKeys.set(key.id, key)
    },
    async findApiKey(id) {
      checkOpen()
      return apiKeys.get(id)
    },
    async close() {
      open = false
    },
  }
}

const notDurable = (id: string): EvertokenError =>
  new EvertokenError(
    'store_not_durable',
    `grant ${id} has a refresh token that may be replaced at every use, and a memory store loses it at exit`,
    {
      grant: id,
      advice:
        "Use sqliteStore('tokens.db'), give tokenSource a save function, set replayClass: 'non_rotating' if the provider never rotates, or pass ephemeral: true.",
    },
  )
