import { execFile } from 'node:child_process'
import { inspect, promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { startProxy } from '../../../../test/postgres/proxy.ts'
import { startPostgres } from '../../../../test/postgres/server.ts'
import { postgresStore } from '../../../src/stores/postgres/store.ts'
import { missingPostgres, put, query, raise, through, until, usePostgres } from './fixture.ts'

describe.skipIf(missingPostgres)(
  'what can be wrong with a PostgreSQL is said with what to do about it:',
  () => {
    const postgres = usePostgres()
    const opened = async (url: string) => {
      const error = await postgres.open(url).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      return error as { code: string; message: string; advice: string }
    }

    test('one that is too old is refused before anything is made in it', async () => {
      const url = await postgres.database()
      const version = await query(url, "SELECT current_setting('server_version_num') AS number")
      const number = Buffer.from(String(version[0]?.number))
      const rewrite = (bytes: Buffer): Buffer => {
        const at = bytes.indexOf(number)
        return at < 0
          ? bytes
          : Buffer.concat([bytes.subarray(0, at), Buffer.from('130022'), bytes.subarray(at + number.length)])
      }
      const proxy = postgres.closing(await startProxy(postgres.server.port, { rewrite }))
      const error = await opened(through(url, proxy))
      expect(error).toMatchObject({ code: 'store_unavailable', advice: 'Upgrade the server.' })
      expect(error.message).toMatch(/14 or newer is needed/)
      expect(await query(url, "SELECT count(*)::int FROM pg_namespace WHERE nspname = 'evertoken'")).toEqual([
        { count: 0 },
      ])
    })

    test('one that takes no writes', async () => {
      const url = await postgres.database()
      const store = await postgres.open(url)
      await put(store, 'a')
      await query(
        url,
        `ALTER DATABASE ${new URL(url).pathname.slice(1)} SET default_transaction_read_only = on`,
      )
      const error = await opened(url)
      expect(error).toMatchObject({ code: 'store_unavailable', advice: expect.stringMatching(/primary/) })
      expect(error.message).toMatch(/takes no writes/)
    })

    test('one that has no connection left', async () => {
      const url = await postgres.database()
      const name = `crowd_${new URL(url).pathname.slice(6)}`
      await query(url, `CREATE ROLE ${name} LOGIN CONNECTION LIMIT 0`)
      const error = await opened(url.replace('postgres@', `${name}@`))
      expect(error).toMatchObject({
        code: 'store_unavailable',
        advice: expect.stringMatching(/fewer connections/),
      })
    })

    test('a user who may not make the tables', async () => {
      const url = await postgres.database()
      const name = `guest_${new URL(url).pathname.slice(6)}`
      await query(url, `CREATE ROLE ${name} LOGIN`)
      const error = await opened(url.replace('postgres@', `${name}@`))
      expect(error).toMatchObject({
        code: 'store_unavailable',
        advice: expect.stringMatching(/GRANT CREATE/),
      })
      expect(error.message).toMatch(/permission denied/)
    })

    test('a database that is not there', async () => {
      const url = new URL(await postgres.database())
      url.pathname = '/nowhere'
      const error = await opened(url.href)
      expect(error).toMatchObject({ code: 'store_unavailable', advice: expect.stringMatching(/Create it/) })
    })

    test('a schema that is another program’s', async () => {
      const url = await postgres.database()
      await query(url, 'CREATE SCHEMA evertoken')
      await query(url, 'CREATE TABLE evertoken.customers (id int)')
      const error = await opened(url)
      expect(error).toMatchObject({ code: 'store_unavailable' })
      expect(error.message).toMatch(/belongs to another program/)
    })

    test('one that a newer evertoken has written, or another build', async () => {
      const url = await postgres.database()
      await (await postgres.open(url)).close()
      await query(url, "INSERT INTO evertoken.migrations VALUES (999, 'of the future', 'x')")
      expect(await opened(url)).toMatchObject({ code: 'store_newer' })
      await query(url, 'DELETE FROM evertoken.migrations WHERE number = 999')
      await query(url, "UPDATE evertoken.migrations SET checksum = 'x' WHERE number = 1")
      expect(await opened(url)).toMatchObject({ code: 'store_damaged' })
    })

    test('one whose tables are gone', async () => {
      const url = await postgres.database()
      const store = await postgres.open(url)
      await query(url, 'DROP TABLE evertoken.tokens')
      await expect(store.read('a')).rejects.toMatchObject({
        code: 'store_unavailable',
        advice: expect.stringMatching(/backup/),
      })
    })

    test('one that nobody can reach, in bounded time', async () => {
      const proxy = await startProxy(1)
      await proxy.close()
      const error = await opened(`postgres://postgres@127.0.0.1:${proxy.port}/x`)
      expect(error).toMatchObject({ code: 'store_unavailable', advice: expect.stringMatching(/runs/) })
    })

    test('one whose locks somebody holds for too long', async () => {
      const url = await postgres.database()
      const store = await postgres.open(url, { timeouts: { statement: 200 } })
      await put(store, 'a')
      const locked = query(url, 'BEGIN; LOCK TABLE evertoken.schedule; SELECT pg_sleep(1.5); COMMIT')
      await until(
        async () => (await query(url, "SELECT FROM pg_locks WHERE mode = 'AccessExclusiveLock'")).length > 0,
      )
      await expect(raise(store, 'a')).rejects.toMatchObject({
        code: 'store_unavailable',
        advice: expect.stringMatching(/pg_locks/),
      })
      await locked
      expect(await raise(store, 'a')).toBe(2)
    })

    test('an URL that is none, without what stands in it', () => {
      for (const url of ['mysql://me:hunter2@db/x', 'postgres://me:hun@ter2%@[db/x', 'hunter2']) {
        let error: unknown
        try {
          postgresStore({ url, folder: 'x' })
        } catch (thrown) {
          error = thrown
        }
        expect(error).toMatchObject({ code: 'invalid_configuration' })
        expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/hunter2|hun@/)
      }
      expect(() => postgresStore({ url: 'postgres://db/x', folder: 'x', schema: 'a"b' })).toThrow(/schema/)
    })
  },
)

test('without the package pg a store says what to install, and nothing else of the library needs it', async () => {
  const script = `
    import { registerHooks } from 'node:module'
    registerHooks({
      resolve(name, context, next) {
        if (name === 'pg') throw Object.assign(new Error('no pg'), { code: 'ERR_MODULE_NOT_FOUND' })
        return next(name, context)
      },
    })
    const { postgresStore } = await import(${JSON.stringify(new URL('../../../src/stores/postgres/store.ts', import.meta.url).href)})
    const error = await postgresStore({ url: 'postgres://db.example/x', folder: 'x' }).open().catch((reason) => reason)
    console.log(JSON.stringify([error.code, error.message, error.advice]))`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
  expect(JSON.parse(stdout)).toEqual([
    'store_unavailable',
    'a PostgreSQL store needs the package pg',
    'npm install pg',
  ])
})

describe.skipIf(missingPostgres)('a server of its own', () => {
  const postgres = usePostgres({ password: 'hunter2-canary' })

  test('that refuses the password is told, and nobody hears the password', async () => {
    const url = postgres.server.url().replace('hunter2-canary', 'another-canary')
    const error = await postgres.open(url).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'store_unavailable', advice: expect.stringMatching(/password/) })
    expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/canary/)
    const store = await postgres.open(postgres.server.url())
    expect(store.location).toBe(`postgres://postgres@127.0.0.1:${postgres.server.port}/postgres`)
    expect(inspect(store, { depth: 9 })).not.toMatch(/canary/)
  })

  test('takes a password from a function', async () => {
    const { port } = postgres.server
    const folder = postgres.host()
    const place = { host: '127.0.0.1', port, user: 'postgres', database: 'postgres' }
    const password = async () => 'hunter2-canary'
    const opener = postgresStore({ url: { ...place, password }, folder, schema: 'by_function' })
    const store = postgres.closing(await opener.open())
    await put(store, 'a')
    expect((await store.read('a'))?.id).toBe('a')
  })

  test('that goes away in the middle is missed, and used again when it is back', async () => {
    const url = await postgres.database()
    const store = await postgres.open(url, { timeouts: { connect: 500, statement: 1000 } })
    await put(store, 'gone')
    await postgres.server.stop('immediate')
    await expect(raise(store, 'gone')).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(store.read('gone')).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(store.updateDue(1, () => ({ result: 1 }))).rejects.toMatchObject({
      code: 'store_unavailable',
    })
    await postgres.server.start()
    await until(() =>
      raise(store, 'gone').then(
        () => true,
        () => false,
      ),
    )
    expect((await store.read('gone'))?.fence).toBe(2)
  })

  test('whose connections are all ended while nobody uses them is used without an error', async () => {
    const store = await postgres.open(await postgres.database())
    await put(store, 'idle')
    await query(
      postgres.server.url(),
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'evertoken'",
    )
    expect(await raise(store, 'idle')).toBe(2)
    expect((await store.read('idle'))?.fence).toBe(2)
  })
})

test.skipIf(missingPostgres)(
  'a server that is killed in the middle of transactions loses none that it confirmed',
  async () => {
    const server = await startPostgres({ durable: true })
    const store = await postgresStore({
      url: server.url(),
      folder: server.data.replace(/data$/, 'host'),
      timeouts: { connect: 500, statement: 1000 },
    }).open()
    try {
      await put(store, 'a')
      let confirmed = 1
      for (let round = 0; round < 3; round += 1) {
        let stop = false
        const work = (async () => {
          while (!stop)
            await raise(store, 'a').then(
              (fence) => {
                confirmed = fence
              },
              () => new Promise((resolve) => setTimeout(resolve, 20)),
            )
        })()
        const before = confirmed
        await until(() => confirmed > before + 20)
        await server.stop(round % 2 === 0 ? 'immediate' : 'kill')
        await server.start()
        const after = confirmed
        await until(() => confirmed > after + 5)
        stop = true
        await work
        expect((await store.read('a'))?.fence).toBe(confirmed)
      }
    } finally {
      await store.close()
      await server.close()
    }
  },
)
