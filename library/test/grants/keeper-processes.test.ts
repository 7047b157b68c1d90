import { type PracticeServer, type PracticeServerOptions, startPracticeServer } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientCredentials, type GrantDefinition, refreshToken } from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import type { Timing } from '../../src/grants/timing.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { type Child, startChild } from '../stores/child.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import type { KeeperTask, Round, Stop } from './keeper-process.ts'
import { newRefreshToken } from './practised.ts'

const start = (task: KeeperTask): Child => startChild(new URL('./keeper-process.ts', import.meta.url), task)

const service = ({ issuer }: PracticeServer): GrantDefinition =>
  clientCredentials({ issuer, clientId: 'practice-service', clientSecret: 'practice-service-secret' })
const strictLogin = async (
  server: PracticeServer,
  options: { introspection?: boolean } = {},
): Promise<GrantDefinition> =>
  refreshToken({
    issuer: server.issuer,
    clientId: 'practice-app',
    refreshToken: await newRefreshToken(server),
    ...options,
  })

/** Grants with their first token in one file, before a practice server. */
async function prepared(practice: PracticeServerOptions = {}, timing: Partial<Timing> = {}) {
  const server = await startPracticeServer(practice)
  onTestFinished(() => server.stop())
  const file = newStoreFile()
  // It looks at the store each time, so that it sees at once what `age` does.
  const keeper = await Keeper.open({ store: sqliteStore(file), timing: { revalidate: 0, ...timing } })
  onTestFinished(() => keeper.close())
  await keeper.add('billing', service(server))
  await keeper.add('work', await strictLogin(server))
  await keeper.add('probed', await strictLogin(server, { introspection: true }))
  for (const id of ['billing', 'work', 'probed']) await keeper.getToken(id)
  const before = server.requests.length
  /** Requests at the token endpoint since then. */
  const since = () => server.requests.slice(before).filter(({ path }) => path === '/token')
  /** Its token has `left` ms to go. */
  const age = (id: string, left: number): Promise<void> =>
    keeper.store.update(id, (record) => {
      if (record === undefined) throw new Error(`no ${id}`)
      const tokens = record.tokens.map((token) => ({ ...token, expiresAt: Date.now() + left }))
      return { result: undefined, record: { ...record, tokens } }
    })
  return { server, file, keeper, since, age }
}

test('a thousand readers in eight processes at expiry are one request, for a minted token and for a strict login', async () => {
  const { server, file, since, age } = await prepared({ latency: 100 })
  await age('billing', -1)
  await age('work', -1)
  const rounds = ['billing', 'work'].map((grant) => ({ grant, calls: 125 }))
  const children = Array.from({ length: 8 }, () => start({ file, rounds }))
  for (const { grant } of rounds) {
    await Promise.all(children.map((child) => child.said()))
    const before = since().length
    for (const child of children) child.tell('go')
    const told = await Promise.all(children.map((child) => child.said<Round>()))
    expect(told.flatMap(({ errors }) => errors)).toEqual([])
    expect(new Set(told.flatMap(({ generations }) => generations))).toEqual(new Set([2]))
    const values = new Set(told.flatMap(({ values }) => values))
    expect(values.size).toBe(1)
    expect(server.introspect([...values][0] ?? '').active).toBe(true)
    expect([grant, since().length - before]).toEqual([grant, 1])
  }
  expect(await Promise.all(children.map((child) => child.gone))).toEqual(Array(8).fill(0))
})

describe('a process that is killed', () => {
  /** A request that was not processed within this is taken as dead. */
  const quiet = { quiescence: 500, deadline: 400, lease: 5400 }

  /** One process works on a grant as far as `stop`, and dies there. */
  async function killedAt(
    stop: Stop,
    grant: string,
    practice: PracticeServerOptions = {},
    timing: Partial<Timing> = {},
  ) {
    const at = await prepared(practice, timing)
    const child = start({ file: at.file, rounds: [{ grant, calls: 1, insist: true }], stop })
    await child.said()
    child.tell('go')
    expect(await child.said()).toEqual({ at: stop })
    const kill = async () => {
      child.kill('SIGKILL')
      await child.gone
    }
    return { ...at, child, kill }
  }

  test('between claim and send leaves a strict login to the next process at once', async () => {
    const { server, keeper, since, kill } = await killedAt('claimed', 'work')
    await kill()
    const begun = Date.now()
    const token = await keeper.refresh('work')
    expect(token.generation).toBe(2)
    expect(server.introspect(token.value).active).toBe(true)
    expect(since()).toHaveLength(1)
    expect(Date.now() - begun).toBeLessThan(5000)
  })

  test.each<Stop>(['sending', 'answered'])(
    'at %s leaves a minted token to the next process at once',
    async (stop) => {
      const { keeper, kill } = await killedAt(stop, 'billing')
      await kill()
      const begun = Date.now()
      expect((await keeper.refresh('billing')).generation).toBe(2)
      expect(Date.now() - begun).toBeLessThan(5000)
    },
  )

  test('before its marked request was sent leaves a login that is served, and refreshed when there is nothing to lose', async () => {
    const { server, keeper, since, age, kill } = await killedAt('sending', 'work', {}, quiet)
    await kill()
    expect(await keeper.getToken('work')).toMatchObject({ generation: 1, stale: false })
    await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'token_unavailable' })
    expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: true })
    expect(since()).toEqual([])
    await age('work', 1000)
    const token = await expect
      .poll(() => keeper.refresh('work').catch(() => undefined), { timeout: 10_000 })
      .toMatchObject({ generation: 2 })
      .then(() => keeper.getToken('work'))
    expect(token.generation).toBe(2)
    expect(server.introspect(token.value).active).toBe(true)
    expect(since()).toHaveLength(1)
    expect((await keeper.show('work')).unresolved).toBe(false)
  })

  test('while the provider holds its request leaves a login that goes on, if the provider forgets the request too', async () => {
    let refreshes = 0
    let forget = (): void => undefined
    const { server, keeper, age, kill } = await killedAt(
      'sent',
      'work',
      {
        respond: ({ parameters }) => {
          if (parameters.grant_type !== 'refresh_token') return undefined
          refreshes += 1
          // The first two were this process's own, for the first access tokens of two logins.
          return refreshes === 3 ? new Promise((resolve) => (forget = () => resolve('close'))) : undefined
        },
      },
      quiet,
    )
    await expect.poll(() => refreshes).toBe(3)
    await kill()
    forget()
    await age('work', 0)
    const token = await keeper.getToken('work')
    expect(token.generation).toBe(2)
    expect(server.introspect(token.value).active).toBe(true)
  })

  test('with the only copy of the answer leaves an access token that is served to its end, and no second send before', async () => {
    const { server, keeper, since, kill } = await killedAt('answered', 'work')
    await kill()
    expect(since().map(({ outcome }) => outcome)).toEqual(['issued'])
    for (let read = 0; read < 3; read++) expect((await keeper.getToken('work')).generation).toBe(1)
    await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'token_unavailable' })
    expect(await keeper.tend('work')).toMatchObject({ kind: expect.stringMatching(/^(backoff|fresh)$/) })
    expect(since()).toHaveLength(1)
    // The provider still honours it: nothing was sent that looks like theft.
    expect(server.introspect((await keeper.getToken('work')).value).active).toBe(true)
  })

  test.each(['reads', 'refreshes'] as const)(
    'with the answer in its spool leaves that answer to the next of its host that %s',
    async (next) => {
      const { server, keeper, since, age, kill } = await killedAt('spooled', 'work')
      expect((await keeper.show('work')).generation).toBe(1)
      await kill()
      if (next === 'reads') await age('work', -1)
      // Whoever refreshes by hand finds that it was done.
      const token = next === 'reads' ? await keeper.getToken('work') : await keeper.refresh('work')
      expect(token.generation).toBe(2)
      expect(server.introspect(token.value).active).toBe(true)
      expect(since().map(({ outcome }) => outcome)).toEqual(['issued'])
      expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false, notices: [] })
    },
  )

  // Model, A4b: it can die between the claim of another and its question to the provider.
  test('with the answer in its spool, just as another is about to ask the provider, is heard first', async () => {
    const at = await killedAt('spooled', 'probed', {}, quiet)
    await at.age('probed', 1000)
    // Its lease is over.
    await at.keeper.store.update('probed', (record, { time }) => {
      if (record === undefined) throw new Error('no probed')
      const schedule = { ...record.schedule, dueAt: time.at }
      return { result: undefined, record: { ...record, lease: undefined, schedule } }
    })
    let kills = 0
    await using other = await Keeper.open({
      store: sqliteStore(at.file),
      timing: { ...quiet, revalidate: 0 },
      faultPoint: (point) => {
        if (point !== 'post_permit' || kills > 0) return
        kills += 1
        at.child.kill('SIGKILL')
        const cell = new Int32Array(new SharedArrayBuffer(4))
        for (let tries = 0; other.store.spool?.remains().length === 0 && tries < 400; tries++)
          Atomics.wait(cell, 0, 0, 5)
      },
    })
    await expect.poll(() => other.tend('probed').then(() => kills), { timeout: 10_000 }).toBe(1)
    await expect.poll(async () => (await other.show('probed')).generation).toBe(2)
    const { state, notices } = await other.show('probed')
    expect(state).toBe('active')
    expect(notices.map(({ kind }) => kind)).not.toContain('reauthorization_required')
    expect(at.server.requests.filter(({ path }) => path === '/introspect')).toEqual([])
    expect(at.since().map(({ outcome }) => outcome)).toEqual(['issued'])
  })

  test('after it has stored the new token leaves that token to everybody', async () => {
    const { server, keeper, since, kill } = await killedAt('committed', 'work')
    await kill()
    const token = await keeper.getToken('work')
    expect(token.generation).toBe(2)
    expect(server.introspect(token.value).active).toBe(true)
    expect(since()).toHaveLength(1)
  })

  test('hinders nobody: a hundred waiting readers get their token from the next process', async () => {
    const { keeper, age, kill } = await killedAt('sending', 'billing')
    await age('billing', -1)
    const readers = Promise.all(Array.from({ length: 100 }, () => keeper.getToken('billing')))
    await kill()
    expect(new Set((await readers).map(({ generation }) => generation))).toEqual(new Set([2]))
  })
})
