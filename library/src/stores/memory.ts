import { type Clock, systemClock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { Circuit } from '../grants/circuit.ts'
import type { GrantRecord, HeldRefreshToken } from '../grants/grant.ts'
import type { Seal } from '../grants/seal.ts'
import type {
  ApiKey,
  Change,
  Consent,
  GrantStore,
  Moment,
  StoredNotice,
  StoreOpener,
} from '../grants/store.ts'
import { loadedNotices, newNotices } from './new-notices.ts'
import { departures, supersededFor } from './superseded.ts'

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
  const superseded = new Map<string, Map<string, HeldRefreshToken>>()
  const circuits = new Map<string, Circuit>()
  let notices: readonly StoredNotice[] = []
  let noticed = 0
  let version = 0
  let open = true
  const time = () => ({ at: clock.boot(), boot: clock.bootId })
  const moment = (): Moment => ({ time: time(), isGone: () => false })
  const checkOpen = () => {
    if (!open) throw new EvertokenError('closed', 'the memory store is closed')
  }
  const waiting = (): readonly GrantRecord[] =>
    [...grants.values()]
      .filter((record) => record.schedule.dueAt !== null)
      .sort((a, b) => (a.schedule.dueAt ?? 0) - (b.schedule.dueAt ?? 0))

  /** One after the other, since a change may wait to be saved. */
  const inTurn = <R>(work: () => R | Promise<R>): Promise<R> => {
    const mine = last.then(() => {
      checkOpen()
      return work()
    })
    last = mine.catch(() => undefined)
    return mine
  }
  const apply = async <R>(id: string, { result, record }: Change<R>): Promise<R> => {
    if (record === undefined) return result
    if (record === null) forget(id)
    else await put(id, record)
    version += 1
    return result
  }
  const forget = (id: string): void => {
    grants.delete(id)
    superseded.delete(id)
    for (const [hash, consent] of consents) if (consent.grant === id) consents.delete(hash)
  }
  const put = async (id: string, record: GrantRecord): Promise<void> => {
    if (record.facts.replayClass !== 'non_rotating' && !durable) throw notDurable(id)
    const before = grants.get(id)
    await save?.(before, record, seal)
    const added = newNotices(before, record)
    const all = [...(before?.notices ?? []), ...added].slice(-loadedNotices)
    grants.set(
      id,
      added.length === 0 && before?.notices === record.notices ? record : { ...record, notices: all },
    )
    notices = [...notices, ...added.map((notice) => ({ ...notice, grant: id, number: ++noticed }))].slice(
      -mostNotices,
    )
    supersede(before, record)
  }
  const supersede = (before: GrantRecord | undefined, record: GrantRecord): void => {
    const change = departures(before, record)
    if (change === undefined) return
    const old = change.forgetsAll ? new Map() : (superseded.get(record.id) ?? new Map())
    for (const fingerprint of change.present) old.delete(fingerprint)
    for (const token of change.left) old.set(token.fingerprint, token)
    const oldest = clock.now() - supersededFor
    for (const [fingerprint, { receivedAt }] of old) if (receivedAt <= oldest) old.delete(fingerprint)
    superseded.set(record.id, old)
  }

  return {
    storeId: crypto.randomUUID(),
    seal,
    owner: crypto.randomUUID(),
    location: 'memory',
    spool: undefined,
    foreign: undefined,
    time,
    version() {
      checkOpen()
      return version
    },
    async read(id) {
      checkOpen()
      return grants.get(id)
    },
    update: (id, decide) => inTurn(() => apply(id, decide(grants.get(id), moment()))),
    updateDue: (limit, decide) =>
      inTurn(async () => {
        const now = moment()
        const all = waiting().filter((record) => (record.schedule.dueAt ?? 0) <= now.time.at)
        const due = [
          ...all.filter(({ attempts }) => attempts.length > 0),
          ...all.filter(({ attempts }) => attempts.length === 0),
        ]
        // All decisions come first: when one throws, nothing is changed.
        const changes = due.slice(0, limit).map((record) => ({ id: record.id, change: decide(record, now) }))
        const results = []
        for (const { id, change } of changes) results.push(await apply(id, change))
        return results
      }),
    async superseded(id) {
      checkOpen()
      const oldest = clock.now() - supersededFor
      return [...(superseded.get(id)?.values() ?? [])]
        .filter(({ receivedAt }) => receivedAt > oldest)
        .sort((a, b) => b.receivedAt - a.receivedAt)
    },
    async notices({ after = 0, limit = 1000 } = {}) {
      checkOpen()
      return notices.filter(({ number }) => number > after).slice(0, limit)
    },
    updateCircuit: (key, decide) =>
      inTurn(() => {
        const { result, circuit } = decide(circuits.get(key), time())
        if (circuit !== undefined) circuits.set(key, circuit)
        return result
      }),
    async readCircuit(key) {
      checkOpen()
      return circuits.get(key)
    },
    async attemptedFrom(spool) {
      checkOpen()
      if (spool === '') return []
      return [...grants.values()]
        .filter(({ attempts }) => attempts.some((attempt) => attempt.spool === spool))
        .map(({ id }) => id)
        .sort()
    },
    async spools() {
      checkOpen()
      return []
    },
    async retireSpool() {
      checkOpen()
      return false
    },
    async adopt() {
      checkOpen()
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

/** Nothing reads them but this process. */
const mostNotices = 1000

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
