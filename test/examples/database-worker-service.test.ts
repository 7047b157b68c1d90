// The programs of the example in processes of their own, on a real PostgreSQL, before a provider in Quartile's dialect.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Keeper } from 'evertoken'
import { postgresStore } from 'evertoken/postgres'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { freshestToken } from '../../examples/database-worker-service/freshest-token.ts'
import { missingPostgres } from '../postgres/binaries.ts'
import { type PostgresServer, startPostgres } from '../postgres/server.ts'
import { Quartile } from './quartile.ts'

const folder = path.resolve(import.meta.dirname, '../../examples/database-worker-service')
/** EVERTOKEN_EXAMPLE_ACCOUNTS=10000 is the number of the example's page. */
const count = Number(process.env.EVERTOKEN_EXAMPLE_ACCOUNTS ?? 300)
const names = Array.from({ length: count }, (_, index) => `shop-${index + 1}`)
const serviceKey = 'the-key-of-the-service'

describe.skipIf(missingPostgres !== undefined)(
  missingPostgres ?? 'the database, the worker, the service and the consumer',
  () => {
    let postgres: PostgresServer
    let quartile: Quartile
    let keeper: Keeper
    let tokens: string
    let environment: Record<string, string>
    let service: string
    const children = new Set<ChildProcess>()

    function program(args: readonly string[], input = '') {
      const child = spawn(process.execPath, ['--conditions=evertoken:source', ...args], {
        cwd: folder,
        env: { PATH: process.env.PATH, ...environment },
      })
      children.add(child)
      child.once('exit', () => children.delete(child))
      const said = { stdout: '', stderr: '' }
      for (const name of ['stdout', 'stderr'] as const)
        child[name].setEncoding('utf8').on('data', (part: string) => {
          said[name] += part
        })
      child.stdin.end(input)
      return {
        said,
        ended: once(child, 'close').then(([code]) => ({ ...said, code: code as number | null })),
        stop: () => child.kill('SIGTERM'),
        kill: () => child.kill('SIGKILL'),
      }
    }

    const imported = (...accounts: string[]) =>
      program(
        ['import.ts'],
        accounts.map((name) => JSON.stringify({ name, refresh_token: quartile.login(name) })).join('\n'),
      ).ended

    const renewals = () => names.reduce((sum, name) => sum + quartile.livesOf(name).length, 0)

    beforeAll(async () => {
      postgres = await startPostgres()
      quartile = await new Quartile().start()
      tokens = mkdtempSync(path.join(tmpdir(), 'evertoken-example-'))
      environment = {
        DATABASE_URL: await postgres.createDatabase(),
        TOKENS_FOLDER: tokens,
        QUARTILE_URL: quartile.url,
        QUARTILE_SUBSCRIPTION_KEY: quartile.subscription,
        SERVICE_KEY: serviceKey,
      }
      keeper = await Keeper.open({
        store: postgresStore({ url: environment.DATABASE_URL as string, folder: tokens }),
      })
      const serving = program(['service.ts'])
      await vi.waitFor(() => expect(serving.said.stdout).toContain('tokens at '), { timeout: 30_000 })
      service = /http:\/\/127\.0\.0\.1:\d+/.exec(serving.said.stdout)?.[0] ?? ''
      environment.SERVICE_URL = service
    })

    afterAll(async () => {
      const gone = [...children].map((child) => once(child, 'exit'))
      for (const child of children) child.kill('SIGKILL')
      await Promise.all(gone)
      await keeper?.close()
      quartile?.stop()
      await postgres?.close()
      if (tokens !== undefined) rmSync(tokens, { recursive: true, force: true })
    })

    const ask = (url: string, key = serviceKey) => fetch(url, { headers: { authorization: `Bearer ${key}` } })

    test('two workers renew every account once, and each again five minutes before its end', {
      timeout: 600_000,
    }, async () => {
      const began = performance.now()
      expect(await imported(...names)).toEqual({ stdout: `${count} accounts\n`, stderr: '', code: 0 })
      const importedIn = performance.now() - began
      const workers = [program(['worker.ts', '--for', '2h']), program(['worker.ts'])]
      const from = performance.now()
      await expect.poll(renewals, { timeout: 500_000, interval: 100 }).toBe(count)
      const renewedIn = performance.now() - from
      if (process.env.EVERTOKEN_EXAMPLE_ACCOUNTS !== undefined)
        console.log(`${count} accounts imported in ${importedIn} ms, renewed in ${renewedIn} ms`)
      expect(names.map((name) => quartile.livesOf(name).length)).toEqual(names.map(() => 1))
      expect(quartile.refused).toEqual([])
      const last = names.at(-1) as string
      await expect.poll(async () => (await keeper.show(last)).generation).toBe(1)
      for (const name of [names[0] as string, last]) {
        const { expiresAt = 0, nextAttemptAt = 0 } = await keeper.show(name)
        // Counted from when it was asked for, which was a little before it was made.
        const life = expiresAt - (quartile.livesOf(name)[0]?.bornAt ?? 0)
        expect(life).toBeLessThanOrEqual(43_200_000)
        expect(life).toBeGreaterThan(43_185_000)
        // Not all of them at once: up to a quarter earlier.
        expect(expiresAt - nextAttemptAt).toBeGreaterThanOrEqual(300_000)
        expect(expiresAt - nextAttemptAt).toBeLessThanOrEqual(376_000)
      }
      for (const worker of workers) worker.stop()
      for (const { code, stderr } of await Promise.all(workers.map(({ ended }) => ended)))
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    })

    test('the service gives the token with the whole of its answer, and no refresh token', async () => {
      const { stdout, stderr, code } = await program(['consumer.ts', 'shop-1']).ended
      expect({ stderr, code }).toEqual({ stderr: '', code: 0 })
      const [life] = quartile.livesOf('shop-1')
      const bornAt = life?.bornAt ?? 0
      const moment = (after: number) => new Date(bornAt + after).toISOString()
      expect(JSON.parse(stdout)).toEqual({
        access_token: 'access-shop-1-1',
        token_type: 'Bearer',
        expires_at: new Date((await keeper.show('shop-1')).expiresAt ?? 0).toISOString(),
        metadata: {
          type: 'bearer',
          expires_in: 43_200,
          expires_at: moment(43_200_000).slice(0, 23),
          not_before: Math.floor(bornAt / 1000),
          note: 'expires_at is in UTC',
          refresh_expires_in: 1_209_600,
          refresh_expires_at: moment(1_209_600_000).slice(0, 23),
          refresh_note: 'good once',
        },
      })
      expect(stdout).not.toContain('refresh-shop')
    })

    test('consumers wait while a token is renewed, and never see one that has ended', {
      timeout: 90_000,
    }, async () => {
      quartile.lifetimes.set('busy', 8)
      quartile.latencies.set('busy', 600)
      expect((await imported('busy')).code).toBe(0)
      const worker = program(['worker.ts', '--for', '15m'])
      // Another account is renewed out of turn, far from its end: nothing in its readers tells them to look.
      quartile.latencies.set('early', 600)
      expect((await imported('early')).code).toBe(0)
      await freshestToken(service, serviceKey, 'early')
      let over = false
      const reads: { token: string; sentAt: number; ms: number }[] = []
      const consumer = async (name: string): Promise<void> => {
        while (!over) {
          const sentAt = Date.now()
          const { access_token: token } = await freshestToken(service, serviceKey, name)
          reads.push({ token, sentAt, ms: Date.now() - sentAt })
          await pause(20)
        }
      }
      const consumers = ['busy', 'busy', 'busy', 'early', 'early'].map(consumer)
      for (let renewal = 0; renewal < 3; renewal++) {
        await keeper.refresh('early')
        await pause(1_050)
      }
      await expect.poll(() => quartile.livesOf('busy').length, { timeout: 60_000 }).toBeGreaterThanOrEqual(4)
      over = true
      await Promise.all(consumers)
      worker.stop()
      expect((await worker.ended).code).toBe(0)
      const lives = [...quartile.livesOf('busy'), ...quartile.livesOf('early')]
      const ends = new Map(lives.map(({ token, endedAt }) => [token, endedAt]))
      expect(reads.filter(({ token, sentAt }) => (ends.get(token) ?? 0) < sentAt)).toEqual([])
      // Each of the later renewals was waited for by somebody: all of its time passes after the old token has ended.
      expect(quartile.livesOf('early')).toHaveLength(4)
      for (const { token } of [
        ...quartile.livesOf('busy').slice(1, 3),
        ...quartile.livesOf('early').slice(1),
      ]) {
        const first = reads.filter((read) => read.token === token)
        expect(Math.max(...first.map(({ ms }) => ms))).toBeGreaterThan(250)
      }
      expect(quartile.refused).toEqual([])
    })

    test('a renewal of seconds is waited for, and where none comes nobody gets a token that may have ended', {
      timeout: 60_000,
    }, async () => {
      quartile.lifetimes.set('away', 12)
      expect((await imported('slow', 'away')).code).toBe(0)
      await Promise.all(['slow', 'away'].map((name) => freshestToken(service, serviceKey, name)))
      // Longer than readers elsewhere wait.
      quartile.latencies.set('slow', 3_000)
      quartile.troubled.add('away')
      const renewed = keeper.refresh('slow')
      await expect.poll(() => quartile.livesOf('slow').length).toBe(2)
      const waited = await ask(`${service}/tokens/slow`)
      expect([waited.status, await waited.json()]).toMatchObject([200, { access_token: 'access-slow-2' }])
      await renewed
      const said = async () => {
        const answer = await ask(`${service}/tokens/away`)
        return [answer.status, answer.headers.get('retry-after'), await answer.json()]
      }
      await expect.poll(said).toEqual([503, '1', { error: 'the token is being renewed' }])
      expect((await keeper.show('away')).expiresAt).toBeGreaterThan(Date.now())
    })

    test('a worker ends by itself after its time', async () => {
      const began = performance.now()
      const { code, stdout, stderr } = await program(['worker.ts', '--for', '1s']).ended
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      expect(stdout.split('\n')[0]).toBe('waiting for tokens to renew')
      expect(performance.now() - began).toBeGreaterThanOrEqual(1_000)
    })

    test('an account whose login ended says so, and goes on after a new one is imported', async () => {
      expect((await imported('gone')).code).toBe(0)
      const refreshToken = quartile.login('gone')
      quartile.accounts.set('gone', { live: 'none', lives: [] })
      const worker = program(['worker.ts'])
      await expect.poll(() => worker.said.stderr).toContain('gone: the provider refused the grant')
      expect(worker.said.stderr).not.toContain(refreshToken)
      quartile.accounts.set('gone', { live: '', lives: [{ token: 'x', bornAt: 0, endedAt: 1 }] })
      expect((await imported('gone')).code).toBe(0)
      expect(await freshestToken(service, serviceKey, 'gone')).toMatchObject({
        access_token: 'access-gone-2',
      })
      worker.kill()
    })

    test('the service tells nobody a token without its key, and knows no other names', async () => {
      const wrong = await ask(`${service}/tokens/shop-1`, 'another')
      expect([wrong.status, await wrong.text()]).toEqual([
        401,
        '{"error":"send Authorization: Bearer and the key of this service"}',
      ])
      expect((await fetch(`${service}/tokens/shop-1`)).status).toBe(401)
      const unknown = await ask(`${service}/tokens/nobody`)
      expect([unknown.status, await unknown.json()]).toEqual([404, { error: 'unknown_grant' }])
      expect((await ask(`${service}/tokens/..%2Fshop-1`)).status).toBe(404)
      await expect(freshestToken(service, 'another', 'shop-1')).rejects.toThrow('no token for shop-1: 401')
    })

    test.each([
      ['worker.ts --for never', 'usage: node worker.ts [--for 90s | 15m | 2h]\n'],
      ['worker.ts --for 600h', 'usage: node worker.ts [--for 90s | 15m | 2h]\n'],
      ['consumer.ts', 'usage: node consumer.ts NAME\n'],
    ])('node %s says how it is used', async (line, usage) => {
      const { stderr, code } = await program(line.split(' ')).ended
      expect({ stderr, code }).toEqual({ stderr: usage, code: 2 })
    })

    // What JSON.parse says quotes the line, and a refresh token stands in it.
    test('a line that is no account is told by its number, and nothing of it is shown', async () => {
      const lines = ['', '{"name":"shop-1","refresh_token":"very-secret"', '']
      const { stderr, code } = await program(['import.ts'], lines.join('\n')).ended
      expect({ stderr, code }).toEqual({
        stderr: 'line 2 is no account: write {"name": …, "refresh_token": …}\n',
        code: 1,
      })
    })

    test('a program without its environment names the variable', async () => {
      const { DATABASE_URL, ...rest } = environment
      const before = environment
      environment = rest
      const running = program(['worker.ts'])
      environment = before
      expect(DATABASE_URL).toMatch(/^postgres:/)
      expect(await running.ended).toEqual({
        stdout: '',
        stderr: 'set the environment variable DATABASE_URL\n',
        code: 2,
      })
    })
  },
)
