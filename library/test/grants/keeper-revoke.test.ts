import { describe, expect, test } from 'vitest'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { practised } from './practised.ts'

const minute = 60_000

/** A login with its first token at a provider that can be told; in a file that several keepers share. */
async function revocable() {
  const file = newStoreFile()
  const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
  await at.keeper.add('work', await at.imported({ revocationUrl: `${at.server.issuer}/revoke` }))
  const token = await at.run(at.keeper.getToken('work'))
  /** What the provider was told of: the present refresh token, the one before it, and the access token. */
  const told = () => at.server.requests.filter(({ path }) => path === '/revoke')
  return { ...at, token, told }
}

describe('a login that is revoked', () => {
  test('ends at the provider, and nobody is served once that is said', async () => {
    const { keeper, another, clock, run, failure, server, token, told } = await revocable()
    const other = await another()
    // Kept in memory there.
    expect((await run(other.getToken('work'))).value).toBe(token.value)
    const begun = clock.now()
    expect(await run(keeper.revoke('work'))).toMatchObject({ state: 'revoked', upstream: 'revoked' })
    expect(clock.now() - begun).toBeGreaterThanOrEqual(1000)
    for (const reader of [keeper, other])
      expect(await failure(reader.getToken('work'))).toMatchObject({ code: 'grant_revoked' })
    expect(server.introspect(token.value).active).toBe(false)
    expect(new Set(told().map(({ presented }) => presented)).size).toBe(3)
    const record = await keeper.store.read('work')
    expect(record).toMatchObject({ refreshToken: undefined, previousRefreshToken: undefined, tokens: [] })
  })

  test('is told of at once where the store’s time, as this process knows it, is a moment behind', async () => {
    // Whether the revocation was due was looked up by that time first, and found to be due in a moment: the provider heard of it minutes later.
    const file = newStoreFile()
    const at = await practised({
      store: (clock) => {
        const opener = sqliteStore(file, { clock })
        return {
          async open() {
            const store = await opener.open()
            const behind = () => ({ ...store.time(), at: store.time().at - 5 })
            return new Proxy(store, {
              get(_, name) {
                if (name === 'time') return behind
                const member = Reflect.get(store, name)
                return typeof member === 'function' ? member.bind(store) : member
              },
            })
          },
        }
      },
    })
    await at.keeper.add('work', await at.imported({ revocationUrl: `${at.server.issuer}/revoke` }))
    await at.run(at.keeper.getToken('work'))
    expect(await at.run(at.keeper.revoke('work'))).toMatchObject({ state: 'revoked', upstream: 'revoked' })
  })

  test('is told of later when the provider cannot be reached, and is served to nobody meanwhile', async () => {
    const { keeper, clock, run, failure, answerWith, told } = await revocable()
    answerWith(({ path }) => (path === '/revoke' ? { status: 503 } : undefined))
    expect(await run(keeper.revoke('work'))).toMatchObject({ state: 'revoking', failures: 1 })
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_revoked' })
    answerWith(undefined)
    await clock.advance(5 * minute)
    const events: unknown[] = []
    keeper.on('revoked', (facts) => events.push(facts))
    await run(keeper.tend('work'))
    expect(await keeper.show('work')).toMatchObject({ state: 'revoked', upstream: 'revoked' })
    const { told: became } = await keeper.show('work')
    expect(events).toEqual([{ grant: 'work', upstream: 'revoked', told: became }])
    expect(became).toMatchObject({ refreshToken: { outcome: 'revoked' } })
    expect(told()).toHaveLength(4)
  })

  test('is given up telling of after seven days', async () => {
    const { keeper, clock, run, answerWith } = await revocable()
    answerWith(({ path }) => (path === '/revoke' ? { status: 503 } : undefined))
    await run(keeper.revoke('work'))
    await clock.advance(7 * 24 * 60 * minute + 1)
    await run(keeper.tend('work'))
    expect(await keeper.show('work')).toMatchObject({ state: 'revoked', upstream: 'failed' })
  })

  test('at a provider without such an endpoint says so', async () => {
    const at = await practised()
    await at.keeper.add('work', await at.imported())
    await at.run(at.keeper.getToken('work'))
    expect(await at.run(at.keeper.revoke('work'))).toMatchObject({
      state: 'revoked',
      upstream: 'unsupported',
    })
  })

  // The definition did not open: the grant was set aside, and an operator could have brought the login back.
  test('stays so when its row does not open', async () => {
    const { keeper, run, failure } = await revocable()
    await keeper.store.update('work', (record) => {
      if (record === undefined) throw new Error('no grant')
      const definition = record.definition.map((byte, index) => (index === 20 ? byte ^ 1 : byte))
      return { result: undefined, record: { ...record, definition } }
    })
    expect(await run(keeper.revoke('work'))).toMatchObject({ state: 'revoking' })
    await keeper.resume('work')
    expect(await keeper.show('work')).toMatchObject({ state: 'revoking' })
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_revoked' })
  })
})

describe('a login that is revoked while it is refreshed', () => {
  /** The answer of a refresh is held until it is let go; another process revokes meanwhile. */
  async function meanwhile() {
    const at = await revocable()
    await at.clock.advance(50 * minute)
    let release = (): void => undefined
    const issued = { access_token: 'late', refresh_token: 'late-refresh', expires_in: 3600 }
    const asked = new Promise<void>((resolve) =>
      at.answerWith(({ path }) => {
        if (path !== '/token') return undefined
        resolve()
        return new Promise((answer) => {
          release = () =>
            answer({
              status: 200,
              headers: { 'content-type': 'application/json' },
              body: JSON.stringify(issued),
            })
        })
      }),
    )
    const tending = at.keeper.tend('work')
    await asked
    const other = await at.another()
    // The clock cannot wait for the held request: what revoking waits for is let go by hand.
    const revoking = other.revoke('work')
    await expect.poll(() => at.told().length).toBe(3)
    await at.clock.advance(1000)
    const summary = await revoking
    return { ...at, other, tending, summary, release: () => release() }
  }

  test('does not come back with the answer: its refresh token is revoked as well', async () => {
    const { keeper, other, tending, summary, release, run, failure, told } = await meanwhile()
    expect(summary).toMatchObject({ state: 'revoked' })
    release()
    expect((await run(tending)).kind).toBe('held')
    for (const reader of [keeper, other])
      expect(await failure(reader.getToken('work'))).toMatchObject({ code: 'grant_revoked' })
    expect(await other.show('work')).toMatchObject({ state: 'revoking', candidates: 1 })
    await run(other.tend('work'))
    expect(await other.show('work')).toMatchObject({ state: 'revoked', candidates: 0 })
    expect(new Set(told().map(({ presented }) => presented)).size).toBe(4)
  })
})
