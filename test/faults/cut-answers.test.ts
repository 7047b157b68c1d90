import type { ReplayClass } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { startCuttingProxy } from './cutting-proxy.ts'
import { hour, newWorld, type Probe, second, workOnce } from './world.ts'

const patience = { timeout: 15_000, interval: 20 }

describe('F10: an answer that is cut', () => {
  async function behindProxy(replayClass: ReplayClass, probe: Probe = 'none') {
    const world = await newWorld({ replayClass, probe })
    const proxy = await startCuttingProxy(world.server.port)
    const keeper = await world.open()
    const login = (id: string) =>
      world.login(keeper, id, {
        issuer: undefined,
        tokenUrl: `${proxy.origin}/token`,
        introspectionUrl: probe === 'introspection' ? `${world.server.issuer}/introspect` : undefined,
      })
    await login('work')
    proxy.disconnect()
    await keeper.refresh('work')
    /** Of one whole answer. */
    const { said } = proxy
    return { world, proxy, keeper, login, said }
  }

  test.each<[ReplayClass, number]>([
    ['last_child_wins', 1],
    ['idempotent', 8],
    ['fork', 8],
    ['non_rotating', 8],
  ])(
    'is had again after each byte (%s, every %i)',
    async (replayClass, step) => {
      const { world, proxy, keeper, said } = await behindProxy(replayClass)
      expect(said).toBeGreaterThan(300)
      let { generation } = await keeper.getToken('work')
      for (let bytes = 0; bytes < said; bytes += step) {
        proxy.disconnect()
        proxy.cutNext(bytes)
        const code = await keeper.refresh('work').then(
          () => 'ok',
          (error: { code: string }) => error.code,
        )
        expect([bytes, code]).toEqual([
          bytes,
          expect.stringMatching(/^provider_(unreachable|answer_unusable)$/),
        ])
        world.pass(10 * second)
        const token = await keeper.refresh('work')
        expect([bytes, token.generation]).toEqual([bytes, generation + 1])
        expect([bytes, world.server.introspect(token.value).active]).toEqual([bytes, true])
        // Where the last child wins it proves itself before its parent can help no more.
        world.pass(10 * second)
        await workOnce(keeper)
        generation = (await keeper.show('work')).generation
      }
      const verdict = await world.verdict(keeper, 'work')
      expect(verdict).toMatchObject({ state: 'alive', familyKill: undefined })
      expect((await keeper.show('work')).notices).toEqual([])
    },
    120_000,
  )

  /** A strict login whose answer was cut after so many bytes; quiescence is over, and a probe was asked. */
  async function cutStrict(place: (said: number) => number) {
    const { world, proxy, keeper, login, said } = await behindProxy('strict', 'introspection')
    await login('cut')
    proxy.disconnect()
    proxy.cutNext(place(said))
    await expect(keeper.refresh('cut')).rejects.toMatchObject({
      code: expect.stringMatching(/^provider_(unreachable|answer_unusable)$/),
    })
    expect(await keeper.getToken('cut')).toMatchObject({ generation: 1, stale: false })
    world.pass(130 * second)
    await workOnce(keeper)
    return { world, keeper }
  }

  test.each([
    ['before its first byte', () => 0],
    ['in its status', () => 10],
    ['in its head', () => 100],
    ['in the middle', (said: number) => Math.floor(said / 2)],
    ['near its end', (said: number) => said - 60],
  ])(
    '%s costs a strict login, says so once, and nothing is sent that would end its family',
    async (_name, place) => {
      const { world, keeper } = await cutStrict(place)
      await expect
        .poll(async () => (await keeper.show('cut')).state, patience)
        .toBe('reauthorization_required')
      expect(world.sends('cut')).toHaveLength(1)
      // Whether it could be helped the server cannot judge: it has handed all of it to the proxy.
      expect(await world.verdict(keeper, 'cut')).toMatchObject({ state: 'lost', familyKill: undefined })
      const { notices } = await keeper.show('cut')
      expect(notices.map(({ kind }) => kind)).toEqual(['at_risk', 'reauthorization_required'])
    },
  )

  test('where all that was said had come costs nothing: the new refresh token is kept, and proved', async () => {
    const { world, keeper } = await cutStrict((said) => said - 1)
    await expect.poll(async () => (await keeper.show('cut')).generation, patience).toBe(2)
    expect(world.sends('cut').map(({ outcome }) => outcome)).toEqual(['issued', 'issued'])
    expect(await world.verdict(keeper, 'cut')).toMatchObject({ state: 'alive', familyKill: undefined })
  })

  test.each<ReplayClass>(['strict', 'last_child_wins', 'idempotent', 'fork', 'non_rotating'])(
    'because the provider dropped the request costs nothing (%s)',
    async (replayClass) => {
      const { world, keeper } = await behindProxy(
        replayClass,
        replayClass === 'strict' ? 'introspection' : 'none',
      )
      world.server.fault({ kind: 'drop_request' })
      await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'provider_unreachable' })
      world.pass(replayClass === 'strict' ? 130 * second : second)
      await keeper.refresh('work')
      world.pass(hour)
      await workOnce(keeper)
      expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    },
  )
})
