import { describe, expect, onTestFinished, test } from 'vitest'
import { startPooler } from '../postgres/pooler.ts'
import { type CommitFault, startProxy } from '../postgres/proxy.ts'
import { missingPostgres, usePostgres } from './stores.ts'
import { hour, minute, newWorld, workOnce } from './world.ts'

/** The next COMMIT behind these is that of the claim, of the mark before the send, of the answer. */
const steps = [
  ['T1', 'pre_intent'],
  ['T1b', 'pre_mark'],
  ['T2', 'pre_commit'],
] as const
const cases = steps.flatMap(([name, point]) =>
  (['before', 'after'] as const).map((fault): [string, CommitFault, string] => [name, fault, point]),
)

describe.skipIf(missingPostgres)('a refresh whose connection is lost at a COMMIT', () => {
  const postgres = usePostgres()

  /** A strict login, and a keeper whose connection is cut at the first COMMIT behind that point. */
  async function struck(fault: CommitFault, point: string, port: number) {
    const proxy = await startProxy(port)
    onTestFinished(() => proxy.close())
    const createDatabase = async () => {
      const url = new URL(await postgres.createDatabase())
      url.port = String(proxy.port)
      return url.href
    }
    const world = await newWorld({ postgres: { createDatabase } })
    let broken: Promise<void> | undefined
    let armed = false
    const keeper = await world.open('a', {
      faultPoint: (at) => {
        if (armed && at === point) broken ??= proxy.breakNextCommit(fault)
      },
    })
    await world.login(keeper, 'work')
    world.pass(49 * minute)
    armed = true
    return { world, keeper, broken: () => broken }
  }

  async function expectOneSend(fault: CommitFault, point: string, port: number): Promise<void> {
    const { world, keeper, broken } = await struck(fault, point, port)
    const token = await keeper.refresh('work')
    await broken()
    expect(broken()).toBeDefined()
    expect(token.generation).toBe(2)
    expect(world.sends('work').map(({ outcome }) => outcome)).toEqual(['issued'])
    expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false, notices: [] })
    expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    world.pass(hour)
    await workOnce(keeper)
    await expect.poll(async () => (await keeper.show('work')).generation, { timeout: 15_000 }).toBe(3)
    expect(world.sends('work')).toHaveLength(2)
  }

  test.each(cases)(
    'F17: at %s, %s it took effect, sends once and keeps the login',
    async (_name, fault, point) => {
      await expectOneSend(fault, point, postgres.server.port)
    },
  )

  test.each(cases)(
    'F29, F17: at %s, %s it took effect, sends once and keeps the login behind a transaction pooler',
    async (_name, fault, point) => {
      const pooler = await startPooler(postgres.server.port, { sessions: 3 })
      onTestFinished(() => pooler.close())
      await expectOneSend(fault, point, pooler.port)
    },
  )
})
