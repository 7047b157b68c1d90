import { fingerprint, type ScriptedResponse } from '@evertoken/testing'
import { expect, test } from 'vitest'
import { CommandFailed, type FaultProcess } from './processes.ts'
import { onBothStores } from './stores.ts'
import { minute, newWorld, second, type World, type WorldOptions, workOnce } from './world.ts'

const untilDue = 49 * minute
const patience = { timeout: 15_000, interval: 20 }
/** The time since boot is told in steps of this, so that a sleep may end so much early. */
const clockStep = 20

onBothStores((store) => {
  /** A login that is due, before four reading processes on two hosts and a fifth that refreshes. */
  async function prepared(practice?: WorldOptions['practice']) {
    const world = await newWorld({ ...store, practice })
    const keeper = await world.open()
    await world.login(keeper, 'work', { revocationUrl: `${world.server.issuer}/revoke` })
    const first = await keeper.getToken('work')
    world.pass(untilDue)
    const [sender, ...readers] = await Promise.all(
      ['a', 'a', 'a', 'b', 'b'].map((host) => world.start({ host })),
    )
    return { world, keeper, sender: sender as FaultProcess, readers, first }
  }

  /** Reads again and again, all of them, while the login is revoked; what they were given before that and after it. */
  async function revokedBeforeReaders(
    { world, readers }: Pick<Awaited<ReturnType<typeof prepared>>, 'world' | 'readers'>,
    revoke: () => Promise<unknown>,
  ) {
    const over = { revoked: false, reading: true }
    const before = new Set<string>()
    const after: string[] = []
    const reading = readers.map(async (reader) => {
      for (let reads = 0; over.reading || reads === 0; reads += 1) {
        const begunAfter = over.revoked
        const outcome = await answerOf(reader)
        if (begunAfter) after.push(outcome)
        else before.add(outcome)
      }
    })
    await expect.poll(() => before.size, patience).toBeGreaterThan(0)
    await revoke()
    world.pass(clockStep)
    over.revoked = true
    await expect.poll(() => after.length, patience).toBeGreaterThan(4 * readers.length)
    over.reading = false
    await Promise.all(reading)
    return { before: [...before], after: [...new Set(after)] }
  }

  const answerOf = async (reader: FaultProcess): Promise<string> => {
    try {
      return (await reader.call({ do: 'get', grant: 'work' })).value
    } catch (error) {
      if (error instanceof CommandFailed) return error.code
      throw error
    }
  }

  /** The refresh tokens that the provider was asked to revoke. */
  const told = (world: World): Set<string | undefined> =>
    new Set(world.server.requests.filter(({ path }) => path === '/revoke').map(({ presented }) => presented))

  /** Nothing of it lives, here or at the provider, and nothing of it is given to anybody, late as it may be. */
  async function expectOver({
    world,
    keeper,
    readers,
    first,
  }: Awaited<ReturnType<typeof prepared>>): Promise<void> {
    await expect
      .poll(async () => {
        await workOnce(keeper)
        return keeper.show('work')
      }, patience)
      .toMatchObject({ state: 'revoked', upstream: 'revoked', candidates: 0, generation: 0 })
    for (const refreshToken of world.history('work').refreshTokens.keys())
      expect(told(world)).toContain(refreshToken)
    expect(world.server.introspect(first.value).active).toBe(false)
    expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'revoked', live: [] })
    expect(new Set(await Promise.all(readers.map(answerOf)))).toEqual(new Set(['grant_revoked']))
    expect(await keeper.store.read('work')).toMatchObject({
      refreshToken: undefined,
      previousRefreshToken: undefined,
      tokens: [],
    })
  }

  test.each([
    // The answer has come, and is not in the spool, which is the same with either store.
    ...(store.postgres === undefined ? [['post_receive', 'pre_send']] : []),
    // It is in the spool, and not in the store.
    ['pre_commit', 'pre_send'],
  ] as [string, string][])(
    'F22: revoked while another process stands at %s of a refresh, a login is served to nobody, and its answer is revoked as well',
    async (at, after) => {
      const prepare = await prepared()
      const { world, keeper, sender, first } = prepare
      await sender.call({ do: 'stop_at', stop: { at, after, how: 'stop' } })
      sender.tell({ do: 'tend', grant: 'work' })
      await sender.at(at)
      await sender.frozen()
      expect(world.sends('work').map(({ outcome }) => outcome)).toEqual(['issued'])

      const given = await revokedBeforeReaders(prepare, () => keeper.revoke('work'))
      expect(given.before).toContain(first.value)
      expect(given.after).toEqual(['grant_revoked'])

      await sender.thaw()
      // The provider's own word is that the login ended; that this child was revoked by name is ours.
      const child = world.sends('work')[0]?.refreshToken
      await expect
        .poll(async () => {
          await workOnce(keeper)
          return told(world).has(child)
        }, patience)
        .toBe(true)
      await expectOver(prepare)
      expect(world.sends('work')).toHaveLength(1)
    },
  )

  test('F22: revoked while the provider holds its refresh, a login does not come back with what the provider then says', async () => {
    let holds = false
    const arrived = Promise.withResolvers<void>()
    const held = Promise.withResolvers<ScriptedResponse | undefined>()
    const prepare = await prepared({
      respond: ({ parameters }) => {
        if (!holds || parameters.grant_type !== 'refresh_token') return undefined
        arrived.resolve()
        return held.promise
      },
    })
    const { world, keeper, sender } = prepare
    holds = true
    sender.tell({ do: 'tend', grant: 'work' })
    await arrived.promise
    const given = await revokedBeforeReaders(prepare, () => keeper.revoke('work'))
    expect(given.after).toEqual(['grant_revoked'])
    // A provider that knows nothing of the revocation yet: another of its machines.
    held.resolve({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        access_token: 'late',
        token_type: 'Bearer',
        refresh_token: 'late-refresh',
        expires_in: 3600,
      }),
    })
    await expect
      .poll(async () => {
        await workOnce(keeper)
        return told(world).has(fingerprint('late-refresh'))
      }, patience)
      .toBe(true)
    await expectOver(prepare)
  })

  test('F22: revoked while whoever refreshes it is dead with the answer, a login is over when the answer comes to light', async () => {
    const prepare = await prepared()
    const { world, keeper, sender } = prepare
    await sender.call({ do: 'stop_at', stop: { at: 'post_append', how: 'stop' } })
    sender.tell({ do: 'tend', grant: 'work' })
    await sender.at('post_append')
    const given = await revokedBeforeReaders(prepare, () => keeper.revoke('work'))
    expect(given.after).toEqual(['grant_revoked'])
    await sender.kill()
    world.pass(second)
    const child = world.sends('work')[0]?.refreshToken
    await expect
      .poll(async () => {
        await workOnce(keeper)
        return told(world).has(child)
      }, patience)
      .toBe(true)
    await expectOver(prepare)
  })

  test('F22: revoked between claim and send, a login is not refreshed at all', async () => {
    const prepare = await prepared()
    const { world, keeper, sender } = prepare
    await sender.call({ do: 'stop_at', stop: { at: 'pre_mark', how: 'stop' } })
    sender.tell({ do: 'tend', grant: 'work' })
    await sender.at('pre_mark')
    await sender.frozen()
    const given = await revokedBeforeReaders(prepare, () => keeper.revoke('work'))
    expect(given.after).toEqual(['grant_revoked'])
    await sender.thaw()
    expect(await sender.call({ do: 'tend', grant: 'work' })).toBe('dead')
    await expectOver(prepare)
    expect(world.sends('work')).toHaveLength(0)
  })
})
