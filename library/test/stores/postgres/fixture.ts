import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { missingPostgres } from '../../../../test/postgres/binaries.ts'
import {
  type PostgresServer,
  query,
  type ServerOptions,
  startPostgres,
} from '../../../../test/postgres/server.ts'
import type { GrantRecord } from '../../../src/grants/grant.ts'
import type { GrantStore } from '../../../src/grants/store.ts'
import type { PostgresGrants } from '../../../src/stores/postgres/postgres-grants.ts'
import { type PostgresStoreOptions, postgresStore } from '../../../src/stores/postgres/store.ts'

export interface Fixture {
  readonly server: PostgresServer
  /** An empty database, as an URL. */
  database(): Promise<string>
  /** A folder as a host has it, removed after the test. */
  host(): string
  /** Opens a store that is closed after the test. */
  open(url: string, options?: Partial<PostgresStoreOptions>): Promise<PostgresGrants>
  /** Closes something after the test, the last first. */
  closing<T extends { close(): Promise<void> }>(what: T): T
}

/** One server for all tests of a file, an empty database for each. Without PostgreSQL for this platform nothing starts. */
export function usePostgres(options?: ServerOptions): Fixture {
  let server: PostgresServer | undefined
  let closing: { close(): Promise<void> }[] = []
  let root = ''
  beforeAll(async () => {
    if (missingPostgres !== undefined) return
    server = await startPostgres(options)
    root = mkdtempSync(path.join(os.tmpdir(), 'evertoken-hosts-'))
  })
  afterEach(async () => {
    const all = closing.reverse()
    closing = []
    for (const what of all) await what.close()
  })
  afterAll(async () => {
    await server?.close()
    rmSync(root, { recursive: true, force: true })
  })
  const host = (): string => {
    const folder = path.join(root, crypto.randomUUID())
    mkdirSync(folder)
    return folder
  }
  const closed = <T extends { close(): Promise<void> }>(what: T): T => {
    closing.push(what)
    return what
  }
  return {
    get server() {
      return server as PostgresServer
    },
    database: () => (server as PostgresServer).createDatabase(),
    host,
    async open(url, more = {}) {
      return closed((await postgresStore({ url, folder: host(), ...more }).open()) as PostgresGrants)
    },
    closing: closed,
  }
}

/** The same place through another port of this machine. */
export const through = (url: string, { port }: { readonly port: number }): string => {
  const other = new URL(url)
  other.port = String(port)
  return other.href
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A grant that is due now. */
export const record = (store: GrantStore, id: string, change: Partial<GrantRecord> = {}): GrantRecord => ({
  id,
  labels: {},
  grantType: 'authorization_code',
  provider: 'auth.example',
  circuit: 'auth.example client',
  facts: {
    replayClass: 'strict',
    reuseWindow: 0,
    oldTokenDies: false,
    introspection: false,
    refresh: 'ahead',
  },
  createdAt: 1_800_000_000_000,
  updatedAt: 1_800_000_000_000,
  definition: bytes('definition'),
  definitionFingerprint: 'print',
  status: { state: 'active' },
  epoch: 1,
  fence: 1,
  candidates: [],
  schedule: { dueAt: store.time().at, backoffUntil: 0, failures: 0 },
  tokens: [],
  attempts: [],
  notices: [],
  ...change,
})

export const put = (store: GrantStore, id: string, change: Partial<GrantRecord> = {}): Promise<void> =>
  store.update(id, () => ({ result: undefined, record: record(store, id, change) }))

/** Raises the fence by one and says what it is now. */
export const raise = (store: GrantStore, id: string): Promise<number> =>
  store.update(id, (found) => {
    const before = found as GrantRecord
    return { result: before.fence + 1, record: { ...before, fence: before.fence + 1 } }
  })

/** Waits for something that is bound to happen. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}

export { missingPostgres, query }
