import type { ScriptedResponse } from '@evertoken/testing'
import type { Clock, Keeper } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { onBothStores } from './stores.ts'
import { hour, minute, newWorld, second, type World, type WorldOptions, workOnce } from './world.ts'

const untilDue = 49 * minute
const wrong = [
  ['an hour fast', hour],
  ['an hour slow', -hour],
] as const

/** The wall clock of one process, which somebody sets; its time since boot nobody can. */
class SettableClock implements Clock {
  readonly bootId: string
  readonly #right: Clock
  offset = 0

  constructor(right: Clock) {
    this.#right = right
    this.bootId = right.bootId
  }

  readonly now = (): number => this.#right.now() + this.offset
  readonly boot = (): number => this.#right.boot()
  readonly sleep: Clock['sleep'] = (ms, options) => this.#right.sleep(ms, options)
}

onBothStores((store) => {
  /** A login that is due; `hold` has the provider keep the next refresh until its end is called. */
  async function prepared(options: WorldOptions = {}) {
    let held: PromiseWithResolvers<ScriptedResponse | undefined> | undefined
    let arrived = Promise.withResolvers<void>()
    const world = await newWorld({
      ...store,
      ...options,
      practice: {
        respond: ({ parameters }) => {
          if (held === undefined || parameters.grant_type !== 'refresh_token') return undefined
          arrived.resolve()
          return held.promise
        },
      },
    })
    const keeper = await world.open()
    await world.login(keeper, 'work')
    world.pass(untilDue)
    const hold = () => {
      held = Promise.withResolvers()
      arrived = Promise.withResolvers()
      const { resolve } = held
      return {
        arrived: arrived.promise,
        answer: () => {
          held = undefined
          resolve(undefined)
        },
      }
    }
    return { world, keeper, hold }
  }

  const leaseOf = async (keeper: Keeper) => (await keeper.store.read('work'))?.lease
  const isServedWell = async (world: World, keeper: Keeper): Promise<boolean> =>
    world.server.introspect((await keeper.getToken('work')).value).active

  describe.each(wrong)('F20: a process whose wall clock is %s', (_name, utcOffset) => {
    test('takes no lease away from a right one', async () => {
      const { world, keeper, hold } = await prepared()
      const child = await world.start({ utcOffset })
      const { arrived, answer } = hold()
      const tending = keeper.tend('work')
      await arrived
      const lease = await leaseOf(keeper)
      expect(await child.call({ do: 'tend', grant: 'work' })).toMatch(/^(held|fresh)$/)
      await child.call({ do: 'once' })
      expect(await leaseOf(keeper)).toEqual(lease)
      expect(world.sends('work')).toHaveLength(1)
      answer()
      expect((await tending).kind).toBe('refreshed')
      expect(await isServedWell(world, keeper)).toBe(true)
    })

    test('holds a lease as long as anybody, and no longer', async () => {
      const { world, keeper, hold } = await prepared({ replayClass: 'non_rotating' })
      const child = await world.start({ utcOffset, host: 'b' })
      const { arrived, answer } = hold()
      child.tell({ do: 'tend', grant: 'work' })
      await arrived
      const lease = await leaseOf(keeper)
      const left = (lease?.until ?? 0) - keeper.store.time().at
      expect(left).toBeGreaterThan(10 * second)
      expect(left).toBeLessThanOrEqual(20 * second)
      await child.kill()
      expect((await keeper.tend('work')).kind).toMatch(/^(held|fresh)$/)
      expect(await leaseOf(keeper)).toEqual(lease)
      expect(world.sends('work')).toHaveLength(1)
      answer()
      world.pass(21 * second)
      expect(await workOnce(keeper)).toBe(1)
      expect(world.sends('work')).toHaveLength(2)
      expect(await isServedWell(world, keeper)).toBe(true)
    })

    test('has a right one serve no expired token, however often it refreshes itself', async () => {
      const { world, keeper } = await prepared()
      const child = await world.start({ utcOffset })
      await child.call({ do: 'once' })
      expect(world.sends('work').map(({ sender }) => sender)).toEqual([child.name])
      const served: boolean[] = []
      for (let passed = 0; passed < 3 * hour; passed += 10 * minute) {
        served.push(await isServedWell(world, keeper))
        world.pass(10 * minute)
        // Whoever is first at what is due: it is, each other time.
        if ((passed / (10 * minute)) % 2 === 0) await child.call({ do: 'once' })
        await workOnce(keeper)
      }
      expect(served).toEqual(Array(18).fill(true))
      expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    })
  })

  describe.each(wrong)('F20: a wall clock that jumps until it is %s', (_name, jump) => {
    test('while a refresh is under way moves neither the lease nor what the token lives', async () => {
      const { world, keeper, hold } = await prepared()
      const clock = new SettableClock(world.clock)
      const jumping = await world.open('a', { clock })
      const { arrived, answer } = hold()
      const began = world.clock.now()
      const tending = jumping.tend('work')
      await arrived
      const lease = await leaseOf(keeper)
      clock.offset = jump
      expect((await keeper.tend('work')).kind).toMatch(/^(held|fresh)$/)
      await workOnce(keeper)
      expect(await leaseOf(keeper)).toEqual(lease)
      expect(world.sends('work')).toHaveLength(1)
      answer()
      expect((await tending).kind).toBe('refreshed')
      const token = await keeper.getToken('work')
      expect(token.generation).toBe(2)
      // Counted from before the jump.
      expect(token.expiresAt).toBeGreaterThanOrEqual(began + hour)
      expect(token.expiresAt).toBeLessThanOrEqual(world.clock.now() + hour)
      expect(await leaseOf(keeper)).toBeUndefined()
    })

    test('has nothing expired served from memory once it is right again', async () => {
      const { world, keeper } = await prepared()
      const clock = new SettableClock(world.clock)
      const jumping = await world.open('a', { clock })
      for (const offset of [jump, 0, jump]) {
        clock.offset = offset
        await workOnce(jumping)
        await jumping.getToken('work')
        world.pass(61 * minute)
        // When it is due goes by the store's clock, however wrong its expiry was written down.
        await workOnce(keeper)
        clock.offset = 0
        expect(await isServedWell(world, jumping)).toBe(true)
      }
      expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    })
  })
})
