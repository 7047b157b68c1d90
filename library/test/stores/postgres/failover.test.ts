import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { type PracticeServer, startPracticeServer } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type PostgresProxy, startProxy } from '../../../../test/postgres/proxy.ts'
import { type PostgresServer, type StopMode, startPostgres } from '../../../../test/postgres/server.ts'
import { caughtUp, promote, standbyName, startStandby } from '../../../../test/postgres/standby.ts'
import { refreshToken } from '../../../src/grants/definition.ts'
import type { FaultPoint } from '../../../src/grants/fault-point.ts'
import { Keeper } from '../../../src/grants/keeper.ts'
import { postgresStore } from '../../../src/stores/postgres/store.ts'
import { newRefreshToken } from '../../grants/practised.ts'
import { missingPostgres, until } from './fixture.ts'

const durable = { durable: true } as const

async function ended<T extends { close(): Promise<void> }>(what: T | Promise<T>): Promise<T> {
  const there = await what
  onTestFinished(() => there.close())
  return there
}

/** Called in the middle of a keeper's work: where it is, and which moment of a transaction of the store. */
type Moment = (step: FaultPoint, point: string) => void

/** A keeper with one strict login, on a host of its own. */
async function login(place: { readonly port: number }, at: Moment = () => undefined) {
  const provider = await startPracticeServer()
  onTestFinished(() => provider.stop())
  const folder = mkdtempSync(path.join(os.tmpdir(), 'evertoken-failover-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  let step: FaultPoint = 'pre_drain'
  const open = () =>
    Keeper.open({
      store: postgresStore({
        url: `postgres://postgres@127.0.0.1:${place.port}/postgres`,
        folder,
        timeouts: { connect: 1_000, statement: 4_000 },
        faultPoint: (point) => at(step, point),
      }),
      // A claim whose process lost its store midway ends with its lease.
      timing: { quiescence: 1_000, revalidate: 0, deadline: 1_000, lease: 2_000 },
      faultPoint: (point) => {
        step = point
      },
    })
  const keeper = await ended(open())
  await keeper.add(
    'work',
    refreshToken({
      issuer: provider.issuer,
      clientId: 'practice-app',
      refreshToken: await newRefreshToken(provider),
    }),
  )
  await keeper.getToken('work')
  return { provider, keeper, open, folder }
}

/** Asks until it is given a token newer than that. */
async function newer(keeper: Keeper, than: number): Promise<{ generation: number; value: string }> {
  for (;;) {
    const token = await keeper.refresh('work').catch(() => undefined)
    if (token !== undefined && token.generation > than) return token
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

const sends = ({ requests }: PracticeServer): number =>
  requests.filter(({ path: at }) => at === '/token').length

/** The login lives: its newest token is good, and it can be refreshed once more with one request. */
async function expectAlive(provider: PracticeServer, keeper: Keeper, after: number): Promise<void> {
  const token = await newer(keeper, after)
  expect(provider.introspect(token.value).active).toBe(true)
  const before = sends(provider)
  const next = await newer(keeper, token.generation)
  expect(provider.introspect(next.value).active).toBe(true)
  expect(sends(provider) - before).toBe(1)
  expect(provider.requests.filter(({ status }) => status === 400)).toEqual([])
}

/** Strikes once, at the first transaction of a step; blocks until it is over, as the server is gone before its answer. */
function strikeAt(
  step: FaultPoint,
  point: string,
  strike: () => void,
): { readonly at: Moment; readonly struck: Promise<void> } {
  let done = false
  const { promise, resolve } = Promise.withResolvers<void>()
  const at: Moment = (where, moment) => {
    if (done || where !== step || moment !== point) return
    done = true
    strike()
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
    resolve()
  }
  return { at, struck: promise }
}

const steps: readonly (readonly [name: string, step: FaultPoint])[] = [
  ['T1', 'pre_intent'],
  ['T1b', 'pre_mark'],
  ['T2', 'pre_commit'],
]
const points = ['pre_store_commit', 'post_store_commit'] as const
const cases = steps.flatMap(([name, step]) => points.map((point) => ({ name, step, point })))

describe.skipIf(missingPostgres)('F15: a server that is killed', () => {
  test.each(cases)('at $name ($point) loses no login once it is back', async ({ step, point }) => {
    const server = await ended(startPostgres(durable))
    let gone: Promise<void> = Promise.resolve()
    const mode: StopMode = point === 'pre_store_commit' ? 'immediate' : 'kill'
    const { at, struck } = strikeAt(step, point, () => {
      gone = server.stop(mode)
    })
    let armed = false
    const { provider, keeper } = await login(server, (where, moment) => armed && at(where, moment))
    armed = true
    const refreshing = keeper.refresh('work').catch(() => undefined)
    await struck
    await gone
    await server.start()
    await refreshing
    await expectAlive(provider, keeper, 1)
  })
})

/** A host like that one: with its key, and nothing else. */
function hostLike(folder: string): string {
  const other = mkdtempSync(path.join(os.tmpdir(), 'evertoken-failover-'))
  onTestFinished(() => rmSync(other, { recursive: true, force: true }))
  copyFileSync(path.join(folder, 'master.key'), path.join(other, 'master.key'))
  return other
}

interface Pair {
  readonly primary: PostgresServer
  readonly standby: PostgresServer
  /** The way of clients to the server. */
  readonly front: PostgresProxy
  /** The way of the standby to its primary. */
  readonly stream: PostgresProxy
}

async function pair(settings: Record<string, string> = {}): Promise<Pair> {
  const primary = await ended(startPostgres({ ...durable, settings }))
  const front = await ended(startProxy(primary.port))
  const stream = await ended(startProxy(primary.port))
  const standby = await ended(startStandby(primary, { port: stream.port, options: durable }))
  return { primary, standby, front, stream }
}

/** The primary is gone for good, and the standby takes its place. */
async function failOver({ primary, standby, front }: Pair): Promise<void> {
  await primary.stop('immediate')
  await promote(standby)
  front.leadTo(standby.port)
}

describe.skipIf(missingPostgres)('F15: with a synchronous standby', () => {
  test.each(cases)(
    'a primary that is killed at $name ($point) takes no login with it',
    async ({ step, point }) => {
      const both = await pair({ synchronous_standby_names: standbyName })
      let gone: Promise<void> = Promise.resolve()
      const { at, struck } = strikeAt(step, point, () => {
        gone = both.primary.stop('immediate')
      })
      let armed = false
      const { provider, keeper } = await login(both.front, (where, moment) => armed && at(where, moment))
      armed = true
      const refreshing = keeper.refresh('work').catch(() => undefined)
      await struck
      await gone
      await failOver(both)
      await refreshing
      await expectAlive(provider, keeper, 1)
      expect(await keeper.notices()).toEqual([])
    },
  )
})

describe.skipIf(missingPostgres)('F16: an asynchronous standby that takes over', () => {
  test.each([true, false])(
    'without T2 has it again from the spool, and says so (same process: %s)',
    async (same) => {
      const both = await pair()
      const { provider, keeper, open } = await login(both.front)
      await caughtUp(both.primary, both.standby)
      both.stream.cut()
      expect((await keeper.refresh('work')).generation).toBe(2)
      if (!same) await keeper.close()
      await failOver(both)
      const after = same ? keeper : await ended(open())
      await expectAlive(provider, after, 1)
      expect((await after.notices()).map(({ kind }) => kind)).toEqual(['store_regression'])
    },
  )

  test('with all that was committed changes nothing', async () => {
    const both = await pair()
    const { provider, keeper } = await login(both.front)
    expect((await keeper.refresh('work')).generation).toBe(2)
    await caughtUp(both.primary, both.standby)
    await failOver(both)
    await expectAlive(provider, keeper, 2)
    expect(await keeper.notices()).toEqual([])
  })
})

describe.skipIf(missingPostgres)('F28: a backup of the files that runs as a second cluster', () => {
  test('is foreign to a host that did not know it, and a standby that took over is not', async () => {
    const both = await pair()
    const { keeper, folder } = await login(both.front)
    await caughtUp(both.primary, both.standby)
    await promote(both.standby)
    const open = async (host: string) =>
      ended(postgresStore({ url: both.standby.url(), folder: host }).open())
    const second = await open(hostLike(folder))
    expect(second.foreign).toMatch(/restored from a backup, or is a standby that took over/)
    expect((await second.read('work'))?.tokens).toHaveLength(1)
    // The host that worked with the store follows it, and from then on new hosts may join.
    await both.primary.stop('immediate')
    both.front.leadTo(both.standby.port)
    await newer(keeper, 1)
    expect((await open(hostLike(folder))).foreign).toBe(undefined)
    await until(() => second.foreign === undefined)
  })
})

test.skipIf(missingPostgres)(
  'nothing is claimed from a server that speaks for the first time before its rows were compared',
  async () => {
    const server = await ended(startPostgres(durable))
    const { keeper } = await login(server)
    const { store } = keeper
    const claim = () => store.updateDue(10, ({ id }) => ({ result: id }))
    await store.update('work', (row, { time }) => ({
      result: undefined,
      record: row && { ...row, schedule: { ...row.schedule, dueAt: time.at } },
    }))
    expect(await claim()).toEqual(['work'])
    await server.stop('immediate')
    await server.start()
    expect(await claim()).toEqual([])
    expect(await claim()).toEqual([])
    expect(await store.regressions?.()).toEqual([])
    expect(await claim()).toEqual(['work'])
  },
)

test.skipIf(missingPostgres)('a store that is opened on a standby says that it is one', async () => {
  const { standby, primary } = await pair()
  const { keeper } = await login(primary)
  await caughtUp(primary, standby)
  await expect(login(standby)).rejects.toMatchObject({
    code: 'store_unavailable',
    advice: expect.stringMatching(/primary/),
  })
  await until(async () => (await keeper.getToken('work')).generation === 1)
})
