import { afterAll, beforeAll, describe } from 'vitest'
import { missingPostgres } from '../postgres/binaries.ts'
import { type PostgresServer, type ServerOptions, startPostgres } from '../postgres/server.ts'
import type { WorldOptions } from './world.ts'

/** Where worlds of PostgreSQL get their databases: one server for all tests of a block. */
export function usePostgres(options?: ServerOptions): NonNullable<WorldOptions['postgres']> & {
  readonly server: PostgresServer
} {
  let server: PostgresServer | undefined
  beforeAll(async () => {
    if (missingPostgres === undefined) server = await startPostgres(options)
  })
  afterAll(() => server?.close())
  return {
    get server() {
      return server as PostgresServer
    },
    createDatabase: () => (server as PostgresServer).createDatabase(),
  }
}

/** The same tests on both stores. */
export function onBothStores(define: (store: Pick<WorldOptions, 'postgres'>) => void): void {
  describe('on SQLite', () => define({}))
  describe.skipIf(missingPostgres)('on PostgreSQL', () => define({ postgres: usePostgres() }))
}

export { missingPostgres }
