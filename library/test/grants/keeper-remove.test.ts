import { consent } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { type Practised, practised, redirectUri } from './practised.ts'

const minute = 60_000
const unavailable = ({ path }: { path: string }) => (path === '/revoke' ? { status: 503 } : undefined)

/** A login with its first token at a provider that can be told; in a file that several keepers share. */
async function revocable() {
  const file = newStoreFile()
  const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
  await at.keeper.add('work', await at.imported({ revocationUrl: `${at.server.issuer}/revoke` }))
  const token = await at.run(at.keeper.getToken('work'))
  const told = () => at.server.requests.filter(({ path }) => path === '/revoke')
  return { ...at, token, told }
}

/** The provider keeps quiet about a revocation until it is let go. */
async function halfRevoked(at: Pick<Practised, 'keeper' | 'failure' | 'answerWith'>) {
  let release = (): void => undefined
  const asked = new Promise<void>((resolve) =>
    at.answerWith(({ path }) => {
      if (path !== '/revoke') return undefined
      resolve()
      return new Promise((answer) => (release = () => answer({ status: 200, body: '' })))
    }),
  )
  const removing = at.failure(at.keeper.remove('work', { revoke: true }))
  await asked
  at.answerWith(undefined)
  return { removing, release }
}

describe('a grant that is removed and revoked', () => {
  test('ends at the provider, is served to nobody, and is gone', async () => {
    const { keeper, another, clock, run, failure, server, token, told } = await revocable()
    const other = await another()
    expect((await run(other.getToken('work'))).value).toBe(token.value)
    const begun = clock.now()
    expect(await run(keeper.remove('work', { revoke: true }))).toMatchObject({ upstream: 'revoked' })
    // Counted as for revoking: no process serves it from memory any more.
    expect(clock.now() - begun).toBeGreaterThanOrEqual(1000)
    for (const reader of [keeper, other])
      expect(await failure(reader.getToken('work'))).toMatchObject({ code: 'unknown_grant' })
    expect(server.introspect(token.value).active).toBe(false)
    expect(new Set(told().map(({ presented }) => presented)).size).toBe(3)
    expect(await keeper.store.read('work')).toBeUndefined()
  })

  test('is removed where the provider has no way to be told, which is said', async () => {
    const { keeper, run, imported } = await practised()
    await keeper.add('work', await imported())
    await run(keeper.getToken('work'))
    expect(await run(keeper.remove('work', { revoke: true }))).toMatchObject({ upstream: 'unsupported' })
    expect(await keeper.list()).toEqual([])
  })

  test('stays while the provider cannot be told, is served to nobody, and is removed by the same call later', async () => {
    const { keeper, clock, run, failure, answerWith, server, token } = await revocable()
    answerWith(unavailable)
    expect(await failure(keeper.remove('work', { revoke: true }))).toMatchObject({
      code: 'provider_error',
      grant: 'work',
      message: expect.stringContaining('status 503'),
      advice: expect.stringContaining('evertoken remove work --revoke'),
    })
    expect(await keeper.show('work')).toMatchObject({ state: 'revoking', failures: 1 })
    expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_revoked' })
    answerWith(undefined)
    await clock.advance(5 * minute)
    expect(await run(keeper.remove('work', { revoke: true }))).toMatchObject({ upstream: 'revoked' })
    expect(server.introspect(token.value).active).toBe(false)
    expect(await keeper.list()).toEqual([])
  })

  test('is removed at once when a worker has told the provider since', async () => {
    const { keeper, clock, run, failure, answerWith, told } = await revocable()
    answerWith(unavailable)
    await failure(keeper.remove('work', { revoke: true }))
    answerWith(undefined)
    await clock.advance(5 * minute)
    await run(keeper.tend('work'))
    const requests = told().length
    expect(await keeper.remove('work', { revoke: true })).toMatchObject({ upstream: 'revoked' })
    expect(told()).toHaveLength(requests)
    expect(await keeper.list()).toEqual([])
  })

  test('stays when the provider could not be told in seven days; without revoking it is removed', async () => {
    const { keeper, clock, run, failure, answerWith } = await revocable()
    answerWith(unavailable)
    await failure(keeper.remove('work', { revoke: true }))
    await clock.advance(7 * 24 * 60 * minute + 1)
    await run(keeper.tend('work'))
    expect(await failure(keeper.remove('work', { revoke: true }))).toMatchObject({
      code: 'grant_revoked',
      message: expect.stringContaining('nothing is removed'),
    })
    expect(await keeper.show('work')).toMatchObject({ state: 'revoked', upstream: 'failed' })
    expect(await keeper.remove('work')).toBeUndefined()
    expect(await keeper.list()).toEqual([])
  })

  test('that has nothing to revoke asks nobody', async () => {
    const { keeper, server, app, service } = await practised()
    await keeper.add('pending', app())
    await keeper.add('billing', service())
    const requests = server.requests.length
    expect(await keeper.remove('pending', { revoke: true })).toBeUndefined()
    expect(await keeper.remove('billing', { revoke: true })).toBeUndefined()
    expect(server.requests).toHaveLength(requests)
    expect(await keeper.list()).toEqual([])
  })

  test('of client credentials has its token revoked, and is removed even where that fails', async () => {
    const { keeper, run, server, service, answerWith } = await practised()
    const definition = service({ revocationUrl: `${server.issuer}/revoke` })
    await keeper.add('billing', definition)
    const { value } = await run(keeper.getToken('billing'))
    expect(await run(keeper.remove('billing', { revoke: true }))).toEqual({
      upstream: 'revoked',
      told: { accessToken: { outcome: 'revoked', at: expect.any(Number) } },
    })
    expect(server.introspect(value).active).toBe(false)
    await keeper.add('billing', definition)
    await run(keeper.getToken('billing'))
    answerWith(unavailable)
    // Nobody is told again of a grant that is gone.
    expect(await run(keeper.remove('billing', { revoke: true }))).toMatchObject({
      upstream: 'failed',
      told: { accessToken: { outcome: 'failed', why: 'status 503' } },
    })
    expect(await keeper.list()).toEqual([])
  })

  test('cannot be one that is not there', async () => {
    const { keeper, failure } = await practised()
    expect(await failure(keeper.remove('work', { revoke: true }))).toMatchObject({ code: 'unknown_grant' })
  })
})

/** A login of a person who has agreed once more, in another process that has not finished that consent yet. */
async function reconsented() {
  const file = newStoreFile()
  const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
  await at.keeper.add('work', at.app())
  await at.login('work')
  await at.run(at.keeper.getToken('work'))
  const other = await at.another()
  const { url } = await at.run(other.beginConsent('work', { redirectUri }))
  const callback = new URL(await consent(url))
  return { at, other, callback }
}

describe('while the provider is told of a removal', () => {
  test('a new consent keeps the grant, with its new login', async () => {
    const { at, other, callback } = await reconsented()
    const { removing, release } = await halfRevoked(at)
    await other.finishConsent(callback)
    release()
    expect(await removing).toMatchObject({ code: 'grant_exists', grant: 'work' })
    expect(await other.show('work')).toMatchObject({ state: 'active' })
    const { value } = await at.run(other.getToken('work'))
    expect(at.server.introspect(value).active).toBe(true)
  })

  test('a new login that is revoked in its turn is not the one to remove', async () => {
    const { at, other, callback } = await reconsented()
    const { removing, release } = await halfRevoked(at)
    await other.finishConsent(callback)
    const again = other.revoke('work')
    await expect.poll(async () => (await other.show('work')).state).toBe('revoked')
    release()
    expect(await removing).toMatchObject({ code: 'grant_exists' })
    expect(await at.run(again)).toMatchObject({ state: 'revoked' })
  })

  test('a grant that was added under the name is not removed', async () => {
    const at = await revocable()
    const other = await at.another()
    const { removing, release } = await halfRevoked(at)
    await other.remove('work')
    await other.add('work', at.service())
    release()
    expect(await removing).toMatchObject({ code: 'grant_exists' })
    expect(await other.show('work')).toMatchObject({ state: 'active', grantType: 'client_credentials' })
  })

  test('an answer that is under way is waited for: its refresh token is revoked as well', async () => {
    const at = await revocable()
    await at.clock.advance(50 * minute)
    const issued = { access_token: 'late', refresh_token: 'late-refresh', expires_in: 3600 }
    let release = (): void => undefined
    const asked = new Promise<void>((resolve) =>
      at.answerWith(({ path }) => {
        if (path !== '/token') return undefined
        resolve()
        const headers = { 'content-type': 'application/json' }
        return new Promise((answer) => {
          release = () => answer({ status: 200, headers, body: JSON.stringify(issued) })
        })
      }),
    )
    const tending = at.keeper.tend('work')
    await asked
    const other = await at.another()
    const removing = other.remove('work', { revoke: true })
    await expect.poll(() => at.told().length).toBe(3)
    release()
    await at.run(tending)
    expect(await at.run(removing)).toMatchObject({ upstream: 'revoked' })
    expect(new Set(at.told().map(({ presented }) => presented)).size).toBe(4)
    expect(await other.list()).toEqual([])
  })
})
