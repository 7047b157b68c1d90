import type { ScriptedResponse } from '@evertoken/testing'
import type { ReplayClass } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { onBothStores } from './stores.ts'
import { hour, minute, newWorld, second, type World, workOnce } from './world.ts'

const patience = { timeout: 15_000, interval: 20 }
/** The lease of a class whose window has 30 s is over, and the window is open. */
const takeover = 18 * second

describe('F11: an answer that comes after a takeover', () => {
  onBothStores((store) => {
    async function prepared(replayClass: ReplayClass) {
      let holds = false
      const arrived = Promise.withResolvers<void>()
      const held = Promise.withResolvers<ScriptedResponse | undefined>()
      const world = await newWorld({
        replayClass,
        ...store,
        practice: {
          respond: ({ parameters }) => {
            if (!holds || parameters.grant_type !== 'refresh_token') return undefined
            holds = false
            arrived.resolve()
            return held.promise
          },
        },
      })
      const keeper = await world.open()
      await world.login(keeper, 'work')
      world.pass(49 * minute)
      const child = await world.start()
      /** Its request is at the provider, which does not process it before it is told to. */
      const holdRequest = async (): Promise<void> => {
        holds = true
        child.tell({ do: 'tend', grant: 'work' })
        await arrived.promise
      }
      return { world, keeper, child, holdRequest, process: () => held.resolve(undefined) }
    }

    /** Both children are kept until one of them has proved itself; the login goes on and on. */
    async function expectGoesOn({
      world,
      keeper,
    }: Pick<Awaited<ReturnType<typeof prepared>>, 'world' | 'keeper'>) {
      for (const wait of [10 * second, 10 * second, 20 * second, hour, hour]) {
        world.pass(wait)
        await workOnce(keeper)
        const verdict = await world.verdict(keeper, 'work')
        expect(verdict).toMatchObject({ state: 'alive', familyKill: undefined })
      }
      const token = await keeper.getToken('work')
      expect(token.generation).toBeGreaterThan(3)
      expect(world.server.introspect(token.value).active).toBe(true)
      expect(await keeper.show('work')).toMatchObject({ state: 'active', notices: [] })
    }

    /** Beside the refresh token that comes next; of last_child_wins that is the parent, which tells which child lives. */
    const kept: Partial<Record<ReplayClass, number>> = { idempotent: 0, fork: 1, last_child_wins: 2 }
    const fingerprints = (world: World) => world.sends('work').map(({ refreshToken }) => refreshToken)

    test.each<ReplayClass>(['last_child_wins', 'fork', 'idempotent'])(
      'of a request that was processed last: both refresh tokens are kept, and the next refresh works (%s)',
      async (replayClass) => {
        const { world, keeper, child, holdRequest, process } = await prepared(replayClass)
        await holdRequest()
        world.pass(takeover)
        await workOnce(keeper)
        await expect.poll(async () => (await keeper.show('work')).generation, patience).toBe(2)
        process()
        await expect.poll(() => world.sends('work').map(({ outcome }) => outcome), patience).toHaveLength(2)
        await expect
          .poll(async () => (await keeper.show('work')).candidates, patience)
          .toBe(kept[replayClass])
        await child.call({ do: 'show', grant: 'work' })
        expect(new Set(fingerprints(world)).size).toBe(replayClass === 'idempotent' ? 1 : 2)
        await workOnce(keeper)
        await expectGoesOn({ world, keeper })
      },
    )

    test.each<ReplayClass>(['last_child_wins', 'fork', 'idempotent'])(
      'of a request that was processed first: both refresh tokens are kept, and the next refresh works (%s)',
      async (replayClass) => {
        const { world, keeper, child, holdRequest, process } = await prepared(replayClass)
        await holdRequest()
        child.freeze()
        await child.frozen()
        process()
        await expect.poll(() => world.sends('work')[0]?.delivery, patience).toBe('whole')
        world.pass(takeover)
        await workOnce(keeper)
        await expect.poll(async () => (await keeper.show('work')).generation, patience).toBe(2)
        await child.thaw()
        await expect
          .poll(async () => (await keeper.show('work')).candidates, patience)
          .toBe(kept[replayClass])
        await child.call({ do: 'show', grant: 'work' })
        expect(new Set(fingerprints(world)).size).toBe(replayClass === 'idempotent' ? 1 : 2)
        await workOnce(keeper)
        await expectGoesOn({ world, keeper })
      },
    )
  })
})
