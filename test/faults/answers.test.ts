import { fingerprint } from '@evertoken/testing'
import { EvertokenError, type Keeper, loggedTransport, nodeTransport } from 'evertoken'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Saying, startAnsweringProxy } from './answering-proxy.ts'
import { access, doubted, refresh, refused, taken, unclear } from './odd-answers.ts'
import { heldBy, hour, newWorld, second } from './world.ts'

/** A strict login, before a provider that can be asked whether its refresh token is alive; and all that was told of it. */
async function strictLogin(timing = {}) {
  const world = await newWorld({ probe: 'introspection', timing })
  const proxy = await startAnsweringProxy(world.server.port)
  const told: string[] = []
  const tell = (what: unknown): void => void told.push(JSON.stringify(what))
  const wire = nodeTransport()
  onTestFinished(() => wire.close())
  const keeper = await world.open('a', { transport: loggedTransport(wire, tell) })
  for (const event of ['refreshed', 'failing', 'reauthorization_required', 'recovered', 'notice'] as const)
    keeper.on(event, tell)
  await world.login(keeper, 'work', {
    issuer: undefined,
    tokenUrl: `${proxy.origin}/token`,
    introspectionUrl: `${world.server.issuer}/introspect`,
  })
  const before = await keeper.store.read('work')
  const held = await heldBy(keeper, 'work')
  /** Refresh with that answer: `ok`, or the code of the error, of which all that can be read was noted. */
  const refreshed = async (saying: Saying): Promise<string> => {
    proxy.say(saying)
    const code = await keeper.refresh('work').then(
      () => 'ok',
      (error: unknown) => {
        if (!(error instanceof EvertokenError)) throw error
        tell({ ...error, message: error.message, stack: error.stack, cause: String(error.cause) })
        return error.code
      },
    )
    tell(await keeper.show('work'))
    proxy.say(undefined)
    return code
  }
  /** No secret of ours or theirs in anything that was told, and nothing that moves a terminal. */
  const expectDiscreet = async (): Promise<void> => {
    const record = await keeper.store.read('work')
    const secrets = [access, refresh]
    for (const token of [before?.refreshToken, record?.refreshToken])
      if (token !== undefined)
        secrets.push(keeper.store.seal.open(token.sealed, { grant: 'work', field: 'refresh_token' }))
    const everything = told.join('\n')
    expect(secrets.filter((secret) => everything.includes(secret))).toEqual([])
    // As JSON writes them, and as they are.
    expect(['\\u001b', '\u202e'].filter((sign) => everything.includes(sign))).toEqual([])
  }
  return { world, proxy, keeper, held, refreshed, expectDiscreet }
}

/** What was held before is held, and served. */
async function expectUntouched(keeper: Keeper, held: readonly string[]): Promise<void> {
  expect(await heldBy(keeper, 'work')).toEqual(held)
  const record = await keeper.store.read('work')
  expect(record).toMatchObject({ candidates: [], lease: undefined })
  expect(record?.tokens.map(({ generation }) => generation)).toEqual([1])
  expect(await keeper.getToken('work')).toMatchObject({ generation: 1, stale: false })
}

describe('a strict login whose provider answers with', () => {
  test.each([...unclear, ...refused, ...doubted])('%s: %s, %s', async (_name, outcome, code, saying) => {
    const { world, proxy, keeper, held, refreshed, expectDiscreet } = await strictLogin()
    expect(await refreshed(saying)).toBe(code)
    expect(proxy.answered).toBe(1)
    await expectUntouched(keeper, held)
    const { state, unresolved, lastError, failures } = await keeper.show('work')
    expect({ state, unresolved, code: lastError?.code, failures }).toEqual({
      state: outcome === 'doubted' ? 'suspect' : 'active',
      unresolved: outcome === 'unclear',
      code,
      failures: 1,
    })
    const { backoffUntil } = (await keeper.store.read('work'))?.schedule ?? { backoffUntil: 0 }
    expect(backoffUntil - keeper.store.time().at).toBeLessThanOrEqual(1.2 * hour)
    if (outcome === 'unclear') {
      // Nobody sends it again, by hand neither, before the provider was asked.
      await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'token_unavailable' })
      expect(world.sends('work')).toEqual([])
      world.pass(130 * second)
    }
    expect((await keeper.refresh('work')).generation).toBe(2)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false, failures: 0 })
    expect(world.sends('work')).toHaveLength(1)
    expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    await expectDiscreet()
  })

  test.each(taken)('%s takes it; the refresh token held is the %s one', async (_name, which, saying) => {
    const { keeper, held, refreshed, expectDiscreet } = await strictLogin()
    expect(await refreshed(saying)).toBe('ok')
    const token = await keeper.getToken('work')
    expect(token).toMatchObject({ generation: 2, value: access })
    expect(token.type).toMatch(/^(Bearer|MAC|DPoP)$/)
    expect(token.expiresAt).toBeGreaterThan(keeper.clock.now() + 50 * 60 * second)
    const [now] = await heldBy(keeper, 'work')
    expect(now).toBe({ new: fingerprint(refresh), same: held[0], access: fingerprint(access) }[which])
    expect(await keeper.show('work')).toMatchObject({ state: 'active', unresolved: false, failures: 0 })
    await expectDiscreet()
  })

  test.each<[string, Saying]>([
    [
      'one byte in a while',
      (socket) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n')
        const more = setInterval(() => socket.write(' '), 20)
        socket.on('close', () => clearInterval(more))
      },
    ],
    ['a promise to go on and no more', (socket) => void socket.write('HTTP/1.1 100 Continue\r\n\r\n')],
    ['silence', () => undefined],
  ])('%s: nobody waits for it beyond the deadline', async (_name, saying) => {
    const { world, proxy, keeper, held, expectDiscreet } = await strictLogin({ deadline: 300, lease: 5_300 })
    proxy.say(saying)
    await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'provider_timeout' })
    expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 1, unresolved: true })
    await expectUntouched(keeper, held)
    proxy.say(undefined)
    world.pass(130 * second)
    // It has listened on, and says now that nothing will come.
    const generation = (): Promise<unknown> =>
      keeper.refresh('work').then(
        (token) => token.generation,
        (error: unknown) => String(error),
      )
    await expect.poll(generation, { timeout: 15_000 }).toBe(2)
    expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
    await expectDiscreet()
  })
})
