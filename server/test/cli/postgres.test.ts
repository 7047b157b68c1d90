// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what people write into the file
import fs from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missingPostgres } from '../../../test/postgres/binaries.ts'
import { type PostgresServer, startPostgres } from '../../../test/postgres/server.ts'
import { evertoken, folder } from './command.ts'
import { provider, serviceFlags, serviceSecret } from './practice.ts'

const password = 'password-canary'
let postgres: PostgresServer | undefined

beforeAll(async () => {
  if (missingPostgres === undefined) postgres = await startPostgres({ password })
}, 60_000)
afterAll(() => postgres?.close())

/** A folder of a host whose evertoken.yaml names a database. */
function host(database: string): { cwd: string; env: Record<string, string> } {
  const cwd = folder()
  fs.writeFileSync(path.join(cwd, 'evertoken.yaml'), 'store: ${DATABASE_URL}\ndata_folder: data\n')
  return { cwd, env: { DATABASE_URL: database } }
}

describe.skipIf(missingPostgres !== undefined)('a store on PostgreSQL', () => {
  test('is used by every command, from every host that has its key', async () => {
    const server = await provider()
    const database = await (postgres as PostgresServer).createDatabase()
    const [first, second] = [host(database), host(database)]
    const added = await evertoken(['add', 'billing', ...serviceFlags(server), '--client-secret-file', '-'], {
      ...first,
      input: serviceSecret,
    })
    expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^added billing: active/) })
    const key = path.join(first.cwd, 'data/master.key')
    expect(added.stderr).toContain(`made the key ${key}`)

    const stranger = await evertoken(['token', 'billing'], second)
    expect(stranger.code).toBe(2)
    fs.mkdirSync(path.join(second.cwd, 'data'), { recursive: true })
    fs.copyFileSync(key, path.join(second.cwd, 'data/master.key'))
    const token = await evertoken(['token', 'billing'], second)
    expect(token).toMatchObject({ code: 0, stderr: '' })
    expect(server.introspect(token.stdout.trim())).toMatchObject({ active: true })

    const { spools } = JSON.parse((await evertoken(['spool', 'list', '--json'], first)).stdout)
    expect(spools.map((spool: { folder: string }) => spool.folder).sort()).toEqual(
      [first, second].map(({ cwd }) => path.join(cwd, 'data/spool')).sort(),
    )
    expect(added.stderr + added.stdout + stranger.stderr).not.toContain(password)
  }, 60_000)

  test('that cannot be reached is told without its password', async () => {
    const database = (await (postgres as PostgresServer).createDatabase()).replace(/:\d+\//, ':1/')
    const { code, stdout, stderr } = await evertoken(['list'], host(database))
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toContain('(store_unavailable)')
    expect(stderr).toContain('127.0.0.1:1/')
    expect(stderr).not.toContain(password)
  })
})
