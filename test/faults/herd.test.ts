import { overlaps } from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startPooler } from '../postgres/pooler.ts'
import type { FaultProcess } from './processes.ts'
import { missingPostgres, onBothStores, usePostgres } from './stores.ts'
import { hour, newWorld, type WorldOptions } from './world.ts'

const callers = 1_000
/** As many as it may take until a second process is the first to claim. */
const mostRounds = 20
/** The login's own scope, and a narrower one: each has a token of its own, and they share the refresh token. */
const scopes = [undefined, 'read'] as const

/** What a thousand callers of one moment were given: the different tokens, and what went wrong. */
async function readers(children: readonly FaultProcess[]) {
  const calls = callers / children.length
  const told = await Promise.all(
    children.map((child) => child.call({ do: 'read', grant: 'work', calls, scopes })),
  )
  return {
    values: [...new Set(told.flatMap(({ values }) => values))],
    errors: told.flatMap(({ errors }) => errors),
  }
}

const sentence =
  'a thousand callers in processes of two hosts send once for each token that is due, never two at once'

async function herd(store: WorldOptions, processes: number, rounds: number): Promise<void> {
  // A request that takes a moment is one that a second could overtake.
  const world = await newWorld({ ...store, practice: { latency: 10 } })
  const keeper = await world.open()
  await world.login(keeper, 'work')
  const children = await Promise.all(
    Array.from({ length: processes }, (_, index) => world.start({ host: index % 2 === 0 ? 'a' : 'b' })),
  )
  // On each host one of them does not wait for readers.
  for (const child of children.slice(0, 2)) await child.call({ do: 'work' })

  const senders = () => new Set(world.sends('work').map(({ sender }) => sender)).size
  let round = 0
  // Had one process done it all, the others would have proved nothing.
  while (round < rounds || (senders() === 1 && round < mostRounds)) {
    round += 1
    world.pass(hour)
    const { values, errors } = await readers(children)
    expect(errors).toEqual([])
    expect(values).toHaveLength(scopes.length)
    expect(values.filter((value) => !world.server.introspect(value).active)).toEqual([])
    expect(world.sends('work')).toHaveLength(round * scopes.length)
  }

  const sends = world.sends('work')
  expect(sends.map(({ outcome }) => outcome)).toEqual(Array(round * scopes.length).fill('issued'))
  expect(overlaps(world.history('work'))).toEqual([])
  expect(senders()).toBeGreaterThan(1)
  expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
  expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false, notices: [] })
  await Promise.all(children.map((child) => child.call({ do: 'close' })))
}

onBothStores((store) => {
  test(`F9: ${sentence}`, () => herd(store, store.postgres === undefined ? 8 : 5, 3), 60_000)
})

describe.skipIf(missingPostgres)('on PostgreSQL behind a transaction pooler', () => {
  const postgres = usePostgres()

  test(`F29, F9: ${sentence}`, async () => {
    const pooler = await startPooler(postgres.server.port, { sessions: 4 })
    onTestFinished(() => pooler.close())
    const createDatabase = async () => {
      const url = new URL(await postgres.createDatabase())
      url.port = String(pooler.port)
      return url.href
    }
    await herd({ postgres: { createDatabase } }, 4, 3)
    expect(pooler.handedOut).toBeGreaterThan(0)
  }, 60_000)
})
