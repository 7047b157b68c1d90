import type { ScriptedResponse } from '@evertoken/testing'
import type { Keeper, ReplayClass } from 'evertoken'
import { describe, expect, test } from 'vitest'
import type { FaultProcess, Stop } from './processes.ts'
import { onBothStores } from './stores.ts'
import { minute, newWorld, second, type World, type WorldOptions, workOnce } from './world.ts'

const untilDue = 49 * minute
const quiescence = 2 * minute
/** All leases are over then, and a blocked process still stands. */
const beyondLease = 22 * second
/** Enough for it to go on, even if it came to stand only when the leases were over. */
const restOfBlock = 31 * second
const patience = { timeout: 15_000, interval: 20 }
/** A heap that is full within a moment. */
const smallHeap = ['--max-old-space-size=48', '--max-semi-space-size=1']

onBothStores((store) => {
  async function prepared(replayClass: ReplayClass, options: WorldOptions = {}) {
    const world = await newWorld({ replayClass, ...store, ...options })
    const keeper = await world.open()
    await world.login(keeper, 'work')
    world.pass(untilDue)
    return { world, keeper }
  }

  async function expectAlive(world: World, keeper: Keeper, sends: number): Promise<void> {
    await expect
      .poll(() => keeper.show('work'), patience)
      .toMatchObject({ generation: 2, state: 'active', unresolved: false })
    expect(world.sends('work')).toHaveLength(sends)
    expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    expect(world.server.introspect((await keeper.getToken('work')).value).active).toBe(true)
  }

  describe('F26: a process whose event loop stands still beyond its lease', () => {
    /** Blocked at that point of a refresh; others had a look while its lease was over and it stood still. */
    async function blockedAt(replayClass: ReplayClass, at: string) {
      const { world, keeper } = await prepared(replayClass)
      const child = await world.start({ stop: { at, how: 'block' } })
      child.tell({ do: 'tend', grant: 'work' })
      await child.at(at)
      world.pass(beyondLease)
      await workOnce(keeper)
      return { world, keeper, child }
    }
    const goesOn = async (world: World, child: FaultProcess): Promise<void> => {
      world.pass(restOfBlock)
      // It answers, so all that it was about to do when it came back has been begun.
      await child.call({ do: 'show', grant: 'work' })
    }

    test.each<[ReplayClass, string]>([
      ['strict', 'post_intent'],
      ['strict', 'pre_mark'],
      ['last_child_wins', 'pre_mark'],
      ['fork', 'pre_send'],
      ['non_rotating', 'pre_send'],
    ])('is passed by, and sends nothing when it goes on (%s, at %s)', async (replayClass, at) => {
      const { world, keeper, child } = await blockedAt(replayClass, at)
      const sends = world.sends('work')
      expect(sends.map(({ outcome }) => outcome)).toEqual(['issued'])
      await goesOn(world, child)
      expect(await child.call({ do: 'tend', grant: 'work' })).toBe('fresh')
      await expectAlive(world, keeper, 1)
      expect(world.sends('work').map(({ sender }) => sender)).not.toContain(child.name)
    })

    test('between its mark and its send has nobody send before it, and does not send itself (strict)', async () => {
      const { world, keeper, child } = await blockedAt('strict', 'pre_send')
      expect(world.sends('work')).toHaveLength(0)
      await goesOn(world, child)
      // It knows that nothing left, and says so: there is nothing to be resolved.
      await expect.poll(async () => (await keeper.show('work')).unresolved, patience).toBe(false)
      expect(world.sends('work')).toHaveLength(0)
      world.pass(quiescence)
      await workOnce(keeper)
      await expectAlive(world, keeper, 1)
    })

    test('with the answer keeps it: nobody sends meanwhile, and it is stored late (strict)', async () => {
      const { world, keeper, child } = await blockedAt('strict', 'post_receive')
      expect(await keeper.show('work')).toMatchObject({ generation: 1, unresolved: true })
      await goesOn(world, child)
      await expectAlive(world, keeper, 1)
    })

    test('with the answer is passed by where that is safe, and what it brings late does no harm (fork)', async () => {
      const { world, keeper, child } = await blockedAt('fork', 'post_receive')
      await expectAlive(world, keeper, 2)
      await goesOn(world, child)
      await expect.poll(async () => (await keeper.show('work')).candidates, patience).toBe(1)
      await expectAlive(world, keeper, 2)
    })

    test('while the answer lies in its socket takes it although its deadline has passed (strict)', async () => {
      const { world, keeper, child, answer } = await requestHeld('strict', {
        timing: { deadline: second, lease: 6 * second },
      })
      await startOther(child, { at: 'pre_drain', how: 'block' })
      const blocked = performance.now()
      answer()
      await expect.poll(() => world.sends('work')[0]?.delivery, patience).toBe('whole')
      // The deadline is one of the machine, which no clock file moves.
      await expect.poll(() => performance.now() - blocked, patience).toBeGreaterThan(1.2 * second)
      world.pass(beyondLease)
      await workOnce(keeper)
      expect(world.sends('work')).toHaveLength(1)
      await goesOn(world, child)
      await expectAlive(world, keeper, 1)
    })
  })

  /** The provider holds the request of a process. */
  async function requestHeld(replayClass: ReplayClass, options: WorldOptions = {}) {
    let holds = false
    const arrived = Promise.withResolvers<void>()
    const held = Promise.withResolvers<ScriptedResponse | undefined>()
    const { world, keeper } = await prepared(replayClass, {
      ...options,
      practice: {
        respond: ({ parameters }) => {
          if (!holds || parameters.grant_type !== 'refresh_token') return undefined
          holds = false
          arrived.resolve()
          return held.promise
        },
      },
    })
    const child = await world.start({ node: smallHeap })
    holds = true
    child.tell({ do: 'tend', grant: 'work' })
    await arrived.promise
    return { world, keeper, child, answer: () => held.resolve(undefined) }
  }

  /** It comes to its halt over something else, while its request is under way. */
  async function startOther(child: FaultProcess, stop: Stop): Promise<void> {
    await child.call({ do: 'stop_at', stop })
    child.tell({ do: 'tend', grant: 'another' })
    await child.at(stop.at)
  }

  describe('F26: a process that runs out of memory', () => {
    test.each<[ReplayClass]>([['idempotent'], ['fork'], ['non_rotating']])(
      'while the provider answers leaves a login that is refreshed again (%s)',
      async (replayClass) => {
        const { world, keeper, child, answer } = await requestHeld(replayClass)
        await startOther(child, { at: 'pre_drain', how: 'exhaust' })
        expect(await child.gone).toBe('SIGABRT')
        answer()
        await expect.poll(() => world.sends('work')[0]?.outcome, patience).toBe('issued')
        world.pass(second)
        await workOnce(keeper)
        await expectAlive(world, keeper, 2)
      },
    )

    test('with the only copy of an answer loses that login, says so once, and has the family ended by nobody (strict)', async () => {
      const { world, keeper } = await prepared('strict', { probe: 'introspection' })
      const child = await world.start({
        node: smallHeap,
        stop: { at: 'post_receive', how: 'exhaust' },
      })
      child.tell({ do: 'once' })
      await child.at('post_receive')
      const at = world.clock.now()
      expect(await child.gone).toBe('SIGABRT')
      world.pass(second)
      await workOnce(keeper)
      expect(await keeper.getToken('work')).toMatchObject({ generation: 1, stale: false })
      expect(world.sends('work')).toHaveLength(1)
      world.pass(quiescence)
      await workOnce(keeper)
      await expect
        .poll(async () => (await keeper.show('work')).state, patience)
        .toBe('reauthorization_required')
      expect(world.sends('work')).toHaveLength(1)
      const evidence = { kills: [{ at }], timing: { handover: minute } }
      expect(await world.verdict(keeper, 'work', evidence)).toMatchObject({
        state: 'lost',
        avoidable: false,
        cause: 'killed_before_durable',
        familyKill: undefined,
      })
      const { notices } = await keeper.show('work')
      expect(notices.map(({ kind }) => kind)).toEqual(['at_risk', 'reauthorization_required'])
    })

    test('with the answer in its spool loses nothing (strict)', async () => {
      const { world, keeper } = await prepared('strict')
      const child = await world.start({ node: smallHeap, stop: { at: 'post_append', how: 'exhaust' } })
      child.tell({ do: 'once' })
      expect(await child.gone).toBe('SIGABRT')
      world.pass(second)
      await workOnce(keeper)
      await expectAlive(world, keeper, 1)
    })
  })
})
