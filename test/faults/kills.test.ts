import type { RespondRequest, ScriptedResponse } from '@evertoken/testing'
import type { Keeper, ReplayClass } from 'evertoken'
import { describe, expect, test } from 'vitest'
import type { FaultProcess, Stop } from './processes.ts'
import { onBothStores } from './stores.ts'
import {
  hour,
  minute,
  newWorld,
  type Probe,
  second,
  type World,
  type WorldOptions,
  workOnce,
} from './world.ts'

/** Class and probe. */
type Kind = readonly [ReplayClass, Probe]

const allKinds: readonly Kind[] = [
  ['idempotent', 'none'],
  ['last_child_wins', 'none'],
  ['fork', 'none'],
  ['non_rotating', 'none'],
  ['strict', 'introspection'],
  ['strict', 'canary'],
  ['strict', 'none'],
]

/** From here on a grant is due, and its mandatory window begins in six minutes. */
const untilDue = 49 * minute
const untilMandatory = 6 * minute
/** 120 s after a send; and the lease of a class whose window has 30 s. */
const quiescence = 2 * minute
const windowedLease = 17.5 * second
const patience = { timeout: 15_000, interval: 20 }

onBothStores((store) => {
  // What the classes do is the same on each store; where they differ most is enough for the second.
  const kinds = allKinds.filter(
    ([replayClass, probe]) =>
      store.postgres === undefined ||
      replayClass === 'last_child_wins' ||
      (replayClass === 'strict' && probe !== 'canary'),
  )
  const classes = kinds.filter(
    ([replayClass, probe]) => replayClass !== 'strict' || probe === 'introspection',
  )

  /** A grant that is due, in a store of which this process and another know. */
  async function prepared([replayClass, probe]: Kind, options: WorldOptions = {}) {
    const world = await newWorld({ replayClass, probe, ...store, ...options })
    const keeper = await world.open()
    await world.login(keeper, 'work')
    world.pass(untilDue)
    return { world, keeper }
  }

  /** A process of host a has begun to refresh and was killed at that point. */
  async function killedAt(at: string, kind: Kind, after?: string | undefined) {
    const { world, keeper } = await prepared(kind)
    const stop: Stop = { at, after, how: 'kill' }
    const child = await world.start({ stop })
    child.tell({ do: 'once' })
    expect(await child.gone).toBe('SIGKILL')
    const when = world.clock.now()
    // Others look at least once in a second.
    world.pass(second)
    return { world, keeper, killedAt: when }
  }

  async function expectAlive(world: World, keeper: Keeper, sends: number): Promise<void> {
    await expect.poll(async () => (await keeper.show('work')).generation, patience).toBe(2)
    expect(world.sends('work')).toHaveLength(sends)
    expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    const token = await keeper.getToken('work')
    expect(token.generation).toBe(2)
    expect(world.server.introspect(token.value).active).toBe(true)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false })
  }

  const kindsOf = async (keeper: Keeper): Promise<readonly string[]> =>
    (await keeper.show('work')).notices.map(({ kind }) => kind)

  describe('F1: killed before it wrote anything, a process leaves no trace', () => {
    test.each(classes)('and another refreshes at its next look (%s, probe %s)', async (...kind) => {
      const { world, keeper } = await prepared(kind)
      const before = await keeper.store.read('work')
      const child = await world.start({ stop: { at: 'pre_intent', how: 'kill' } })
      child.tell({ do: 'once' })
      expect(await child.gone).toBe('SIGKILL')
      expect(await keeper.store.read('work')).toEqual(before)
      expect(world.sends('work')).toHaveLength(0)
      expect(await workOnce(keeper)).toBe(1)
      await expectAlive(world, keeper, 1)
    })
  })

  describe('F2: killed between claim and send, a process leaves its grant to the next at once', () => {
    test.each<[string, ...Kind]>([
      ...classes.map((kind): [string, ...Kind] => ['post_intent', ...kind]),
      ['pre_mark', 'strict', 'none'],
      ['pre_mark', 'last_child_wins', 'none'],
    ])('at %s (%s, probe %s)', async (at, ...kind) => {
      const { world, keeper } = await killedAt(at, kind)
      expect(world.sends('work')).toHaveLength(0)
      expect(await workOnce(keeper)).toBe(1)
      await expectAlive(world, keeper, 1)
    })

    test('on another host, which cannot see who is dead, when the lease is over', async () => {
      const { world } = await killedAt('pre_mark', ['strict', 'none'])
      const elsewhere = await world.open('b')
      await workOnce(elsewhere)
      expect(world.sends('work')).toHaveLength(0)
      world.pass(20 * second)
      await workOnce(elsewhere)
      await expectAlive(world, elsewhere, 1)
    })
  })

  /** A process was killed while the provider held its request; `forget` has the provider drop it, `process` go on with it. */
  async function killedWhileHeld(kind: Kind) {
    let holds = false
    const held = Promise.withResolvers<ScriptedResponse | undefined>()
    const arrived = Promise.withResolvers<void>()
    const respond = ({ parameters }: RespondRequest) => {
      if (!holds || parameters.grant_type !== 'refresh_token') return undefined
      holds = false
      arrived.resolve()
      return held.promise
    }
    const { world, keeper } = await prepared(kind, { practice: { respond } })
    const child = await world.start()
    holds = true
    child.tell({ do: 'once' })
    await arrived.promise
    await child.kill()
    world.pass(second)
    return {
      world,
      keeper,
      forget: () => held.resolve('close'),
      process: async () => {
        held.resolve(undefined)
        await expect.poll(() => world.sends('work')[0]?.outcome, patience).toBe('issued')
      },
    }
  }

  const probes = (world: World) =>
    world.server.requests.filter(({ path }) => path === '/introspect' || path === '/api/whoami').length

  /** Strict: nobody sends before quiescence is over, nor, without a probe, before the mandatory window. */
  async function waited(world: World, keeper: Keeper, probe: Probe): Promise<void> {
    const before = world.sends('work').length
    const wait = probe === 'none' ? untilMandatory : quiescence
    for (let passed = second; passed + 21 * second < wait; passed += 20 * second) {
      await workOnce(keeper)
      expect(world.sends('work')).toHaveLength(before)
      // By hand neither.
      if (passed > 20 * second)
        await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'token_unavailable' })
      expect((await keeper.getToken('work')).generation).toBe(1)
      world.pass(20 * second)
    }
    expect(probes(world)).toBe(0)
    world.pass(30 * second)
    await workOnce(keeper)
    // A reader may have been first, and be still at it.
    await expect.poll(() => probes(world), patience).toBe(probe === 'none' ? 0 : 1)
    if (probe !== 'none') return
    await expect.poll(() => world.sends('work').length, patience).toBe(before + 1)
  }

  describe('F3: killed while its request is under way, which the provider then drops', () => {
    test.each(kinds)('the login goes on (%s, probe %s)', async (...kind) => {
      const { world, keeper, forget } = await killedWhileHeld(kind)
      forget()
      const [replayClass, probe] = kind
      if (replayClass === 'strict') await waited(world, keeper, probe)
      else await workOnce(keeper)
      if (replayClass === 'last_child_wins') {
        // Its answer would be killed by ours, so it is waited for.
        expect(world.sends('work')).toHaveLength(1)
        world.pass(windowedLease)
        await workOnce(keeper)
      }
      await expectAlive(world, keeper, 2)
      const expected = replayClass === 'strict' ? ['at_risk', 'recovered'] : []
      expect(await kindsOf(keeper)).toEqual(expected)
    })
  })

  describe.each([0.5, 0.9])(
    'F3b: killed while its request is under way, which is processed %d of quiescence later',
    (part) => {
      test.each<Probe>(store.postgres ? ['introspection'] : ['introspection', 'canary'])(
        'nothing was sent before, and %s says that the answer is lost',
        async (probe) => {
          const { world, keeper, process } = await killedWhileHeld(['strict', probe])
          world.pass(part * quiescence - second)
          await workOnce(keeper)
          await process()
          await workOnce(keeper)
          expect(world.sends('work')).toHaveLength(1)
          world.pass(quiescence)
          await workOnce(keeper)
          expect(world.sends('work')).toHaveLength(1)
          await expectLost(world, keeper, 'processed_late')
        },
      )
    },
  )

  /** The only copy of the answer is gone: one notice, and the provider was given no reason to end what is left. */
  async function expectLost(world: World, keeper: Keeper, cause: string, killedAt?: number): Promise<void> {
    await expect
      .poll(async () => (await keeper.show('work')).state, patience)
      .toBe('reauthorization_required')
    const kills = killedAt === undefined ? [] : [{ at: killedAt }]
    // A busy machine may take its time between the last byte and the kill.
    const evidence = { kills, timing: { handover: minute } }
    expect(await world.verdict(keeper, 'work', evidence)).toMatchObject({
      state: 'lost',
      avoidable: false,
      cause,
      familyKill: undefined,
    })
    expect(await kindsOf(keeper)).toEqual(['at_risk', 'reauthorization_required'])
  }

  describe('F4: killed when the provider has committed and its answer has not arrived', () => {
    const killedBeforeAnswer = async (kind: Kind) => {
      const { world, keeper } = await prepared(kind)
      world.server.fault({ kind: 'hold_answer', ms: hour })
      const child = await world.start()
      child.tell({ do: 'once' })
      await expect.poll(() => world.sends('work')[0]?.outcome, patience).toBe('issued')
      await child.kill()
      world.pass(second)
      return { world, keeper }
    }

    test.each(kinds.filter(([replayClass]) => replayClass !== 'strict'))(
      'a replay brings the login back (%s, probe %s)',
      async (...kind) => {
        const { world, keeper } = await killedBeforeAnswer(kind)
        if (kind[0] === 'last_child_wins') world.pass(windowedLease)
        await workOnce(keeper)
        await expectAlive(world, keeper, 2)
      },
    )

    test('the second child of a provider where the last one wins proves itself, and the login goes on', async () => {
      const { world, keeper } = await killedBeforeAnswer(['last_child_wins', 'none'])
      world.pass(windowedLease)
      await workOnce(keeper)
      await expectAlive(world, keeper, 2)
      // Both requests are over before the window closes: 30 s less two deadlines after the first send.
      world.pass(15 * second)
      await workOnce(keeper)
      expect(world.sends('work').map(({ outcome }) => outcome)).toEqual(['issued', 'issued', 'issued'])
      world.pass(hour)
      await workOnce(keeper)
      expect(world.sends('work').map(({ outcome }) => outcome)).toHaveLength(4)
      expect((await world.verdict(keeper, 'work')).state).toBe('alive')
    })

    test.each<Probe>(store.postgres ? ['introspection'] : ['introspection', 'canary'])(
      'strict: %s tells, one notice says so, the family lives',
      async (probe) => {
        const { world, keeper } = await killedBeforeAnswer(['strict', probe])
        await waited(world, keeper, probe)
        expect(world.sends('work')).toHaveLength(1)
        await expectLost(world, keeper, 'answer_lost')
      },
    )

    test('strict without a probe: one replay, in the mandatory window only, when all was lost before', async () => {
      const { world, keeper } = await killedBeforeAnswer(['strict', 'none'])
      await waited(world, keeper, 'none')
      expect(world.sends('work')).toHaveLength(2)
      expect(await world.verdict(keeper, 'work')).toMatchObject({
        state: 'lost',
        avoidable: false,
        cause: 'answer_lost',
        familyKill: { alreadyLost: true },
      })
      // It is believed when it was said three times.
      for (const wait of [61 * second, 10 * minute + second]) {
        // A reader may have sent it, and be still at what came of it.
        await expect.poll(async () => (await keeper.show('work')).state, patience).toBe('suspect')
        world.pass(wait)
        await workOnce(keeper)
      }
      expect((await keeper.show('work')).state).toBe('reauthorization_required')
      expect(await kindsOf(keeper)).toEqual(['at_risk', 'reauthorization_required'])
    })
  })

  describe('F5: killed with the answer, before the spool had it', () => {
    const points: [string, ...Kind][] = [
      ...classes.map((kind): [string, ...Kind] => ['post_receive', ...kind]),
      ...['post_seal', 'pre_append', 'pre_spool', 'mid_spool'].flatMap((at): [string, ...Kind][] => [
        [at, 'idempotent', 'none'],
        [at, 'strict', 'introspection'],
      ]),
    ]
    test.each(points)('at %s (%s, probe %s)', async (at, ...kind) => {
      const { world, keeper, killedAt: when } = await killedAt(at, kind, 'pre_send')
      const [replayClass, probe] = kind
      if (replayClass === 'strict') {
        await waited(world, keeper, probe)
        expect(world.sends('work')).toHaveLength(1)
        await expectLost(world, keeper, 'killed_before_durable', when)
        return
      }
      if (replayClass === 'last_child_wins') world.pass(windowedLease)
      await workOnce(keeper)
      await expectAlive(world, keeper, 2)
    })
  })

  describe('F6: killed when the spool had the answer and the store had not', () => {
    test.each<[string, string]>([
      ['post_spool_write', 'pre_send'],
      ['post_spool', 'pre_send'],
      ['post_append', 'pre_send'],
      ['pre_commit', 'pre_send'],
      ['pre_transaction', 'pre_commit'],
      ['pre_store_commit', 'pre_commit'],
    ])('at %s: whoever comes on its host has it', async (at, after) => {
      const { world, keeper } = await killedAt(at, ['strict', 'none'], after)
      await workOnce(keeper)
      await expectAlive(world, keeper, 1)
    })

    test('another host waits, and what the host brings back late is taken', async () => {
      const { world } = await killedAt('post_append', ['strict', 'none'])
      const elsewhere = await world.open('b')
      for (let passed = second; passed + 31 * second < untilMandatory; passed += 30 * second) {
        await workOnce(elsewhere)
        world.pass(30 * second)
      }
      expect(world.sends('work')).toHaveLength(1)
      expect((await elsewhere.show('work')).notices.map(({ kind }) => kind)).toEqual(['at_risk'])
      const back = await world.open('a')
      await workOnce(back)
      await expectAlive(world, elsewhere, 1)
      expect((await elsewhere.show('work')).notices.map(({ kind }) => kind)).toEqual(['at_risk', 'recovered'])
    })

    test('where the host never comes back, another sends in the mandatory window, not before', async () => {
      const { world } = await killedAt('post_append', ['strict', 'none'])
      const lost = world.sends('work')[0]?.refreshToken ?? ''
      const elsewhere = await world.open('b')
      await waited(world, elsewhere, 'none')
      expect(world.sends('work')).toHaveLength(2)
      expect(await world.verdict(elsewhere, 'work', { unreachable: [lost] })).toMatchObject({
        state: 'lost',
        avoidable: false,
        cause: 'host_gone',
        familyKill: { alreadyLost: true },
      })
    })

    test('where a probe has given the login up, the host that comes back after all brings it back', async () => {
      const { world } = await killedAt('post_append', ['strict', 'introspection'])
      const elsewhere = await world.open('b')
      await waitedFor(world, elsewhere)
      expect(world.sends('work')).toHaveLength(1)
      expect((await elsewhere.show('work')).state).toBe('reauthorization_required')
      const back = await world.open('a')
      await workOnce(back)
      await expectAlive(world, elsewhere, 1)
      expect((await elsewhere.show('work')).notices.map(({ kind }) => kind)).toEqual([
        'at_risk',
        'reauthorization_required',
        'recovered',
      ])
    })
  })

  /** Until the mandatory window another host may bring the answer back, so even a probe is not asked. */
  async function waitedFor(world: World, keeper: Keeper): Promise<void> {
    for (let passed = second; passed + 31 * second < untilMandatory; passed += 30 * second) {
      await workOnce(keeper)
      expect(probes(world)).toBe(0)
      world.pass(30 * second)
    }
    world.pass(40 * second)
    await workOnce(keeper)
    await expect.poll(() => probes(world), patience).toBe(1)
  }

  describe('F7: killed when the store had the answer', () => {
    test.each<[string, string | undefined]>([
      ['post_store_commit', 'pre_commit'],
      ['post_commit', undefined],
      ['post_unspool', undefined],
    ])('at %s: everybody has the same generation, of one request', async (at, after) => {
      const { world, keeper } = await killedAt(at, ['strict', 'none'], after)
      await expectAlive(world, keeper, 1)
      expect(await workOnce(keeper)).toBe(0)
      const child: FaultProcess = await world.start()
      expect(await child.call({ do: 'get', grant: 'work' })).toMatchObject({ generation: 2, stale: false })
      await expectAlive(world, keeper, 1)
    })
  })
})
