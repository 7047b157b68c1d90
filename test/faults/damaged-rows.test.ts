import { DatabaseSync } from 'node:sqlite'
import type { Keeper } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { minute, newWorld, type World, workOnce } from './world.ts'

const untilDue = 49 * minute
const patience = { timeout: 15_000, interval: 20 }

/** Two logins in a store that is closed while somebody changes its rows, and opened again. */
async function changed(sql: string): Promise<{ world: World; keeper: Keeper }> {
  const world = await newWorld()
  const before = await world.open()
  await world.login(before, 'work')
  await world.login(before, 'home')
  await before.close()
  const place = world.place('a')
  if (place.kind !== 'sqlite') throw new Error('not a file')
  const database = new DatabaseSync(place.file)
  database.exec(sql)
  database.close()
  world.pass(untilDue)
  return { world, keeper: await world.open() }
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'ok',
    (error: { code?: string }) => String(error.code),
  )

describe('F24: a row whose ciphertext', () => {
  test.each([
    [
      'was swapped with that of another grant',
      `UPDATE grants SET refresh_token = (SELECT refresh_token FROM grants WHERE id = 'home') WHERE id = 'work'`,
    ],
    ['was cut', `UPDATE grants SET refresh_token = substr(refresh_token, 1, 20) WHERE id = 'work'`],
    ['is empty', `UPDATE grants SET refresh_token = x'' WHERE id = 'work'`],
    ['is zero', `UPDATE grants SET refresh_token = zeroblob(length(refresh_token)) WHERE id = 'work'`],
    [
      'of its definition was swapped with that of another grant',
      `UPDATE grants SET definition = (SELECT definition FROM grants WHERE id = 'home') WHERE id = 'work'`,
    ],
    [
      'of its refresh token is that of its access token',
      `UPDATE grants SET refresh_token = (SELECT sealed FROM tokens WHERE grant_id = 'work') WHERE id = 'work'`,
    ],
  ])('%s is set aside, says so, and nothing of it is sent', async (_name, sql) => {
    const { world, keeper } = await changed(sql)
    await workOnce(keeper)
    expect(world.sends('work')).toHaveLength(0)
    const { state, notices, reason } = await keeper.show('work')
    expect(state).toBe('quarantined')
    expect(notices.map(({ kind }) => kind)).toEqual(['quarantined'])
    expect(reason).toContain('does not decrypt')
    expect(await codeOf(keeper.getToken('work'))).toBe('grant_quarantined')
    expect(await codeOf(keeper.refresh('work'))).not.toBe('ok')
    // The other is as it was.
    expect(world.sends('home')).toHaveLength(1)
    expect(await world.verdict(keeper, 'home')).toMatchObject({ state: 'alive', familyKill: undefined })
    expect((await keeper.getToken('home')).generation).toBe(2)
  })

  test.each([
    [
      'was swapped with that of another grant',
      `UPDATE tokens SET sealed = (SELECT sealed FROM tokens WHERE grant_id = 'home') WHERE grant_id = 'work'`,
    ],
    ['was cut', `UPDATE tokens SET sealed = substr(sealed, 1, 40) WHERE grant_id = 'work'`],
  ])('of its access token %s is served to nobody, and replaced', async (_name, sql) => {
    const { world, keeper } = await changed(sql)
    expect(await codeOf(keeper.getToken('work'))).toBe('store_damaged')
    await workOnce(keeper)
    // The reader's own refresh may still be under way.
    await expect.poll(async () => (await keeper.show('work')).generation, patience).toBe(2)
    const token = await keeper.getToken('work')
    expect(token.generation).toBe(2)
    expect(world.server.introspect(token.value)).toMatchObject({ active: true, sub: 'work' })
  })

  test('names a key that is not there stays as it is, is told, and goes on when the key is back', async () => {
    const first = `substr(refresh_token, 1, 3)`
    const { world, keeper } = await changed(
      `UPDATE grants SET refresh_token = CAST(${first} || x'39' || substr(refresh_token, 5) AS BLOB) WHERE id = 'work'`,
    )
    await workOnce(keeper)
    expect(world.sends('work')).toHaveLength(0)
    expect(await keeper.show('work')).toMatchObject({
      state: 'active',
      lastError: { code: 'wrong_encryption_key', message: expect.stringContaining('"k9"') },
      notices: [],
    })
    // What it holds is served.
    expect(await keeper.getToken('work')).toMatchObject({ generation: 1, stale: false })
    await keeper.store.update('work', (record) => {
      const token = record?.refreshToken
      if (record === undefined || token === undefined) throw new Error('no refresh token')
      const sealed = Uint8Array.from(token.sealed)
      sealed[3] = '1'.charCodeAt(0)
      return { result: undefined, record: { ...record, refreshToken: { ...token, sealed } } }
    })
    expect((await keeper.refresh('work')).generation).toBe(2)
    expect(await world.verdict(keeper, 'work')).toMatchObject({ state: 'alive', familyKill: undefined })
  })
})
