import { consentToDevice } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import type { GrantDefinition } from '../../src/grants/definition.ts'
import type { AccessToken, TokenProof } from '../../src/grants/token.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { sqliteStore } from '../../src/stores/sqlite/store.ts'
import { newStoreFile } from '../stores/sqlite-files.ts'
import { type Practised, practised, redirectUri } from './practised.ts'

const minute = 60_000
const bound = { dpop: true } as const
const nonced = { practice: { dpopNonce: true } }

const proofOf = (token: AccessToken): TokenProof => {
  const proof = token.presentation?.proof
  if (proof === undefined) throw new Error('the token is not bound')
  return proof
}

/** Asks the practice server's API with a proof, as whoever spends the token does. */
async function asks({ server }: Pick<Practised, 'server'>, token: AccessToken): Promise<Response> {
  const url = `${server.issuer}/api/whoami`
  const dpop = await proofOf(token).of({ method: 'GET', url })
  return fetch(url, { headers: { authorization: `${token.presentation?.scheme} ${token.value}`, dpop } })
}

/** The thumbprint of the key that a token is bound to, as the provider has it. */
const keyOf = ({ server }: Pick<Practised, 'server'>, token: AccessToken): string | undefined => {
  const told = server.introspect(token.value)
  return told.active ? told.cnf?.jkt : undefined
}

const web = { clientId: 'practice-web', clientSecret: 'practice-web-secret' } as const

describe('every way to a token binds it to the key of the grant', () => {
  test.each<[string, (at: Practised) => GrantDefinition]>([
    ['client credentials', (at) => at.service(bound)],
    ['an assertion', (at) => at.account(bound)],
  ])('%s', async (_name, define) => {
    const at = await practised()
    await at.keeper.add('a', define(at))
    const first = await at.run(at.keeper.getToken('a'))
    const second = await at.run(at.keeper.refresh('a'))
    expect([first.type, second.type, second.generation]).toEqual(['DPoP', 'DPoP', 2])
    expect(keyOf(at, second)).toMatch(/^[\w-]{43}$/)
    expect(keyOf(at, second)).toBe(keyOf(at, first))
    expect((await asks(at, second)).status).toBe(200)
  })

  test('a consent, whose code is bound already, and its refreshes', async () => {
    const at = await practised()
    await at.keeper.add('work', at.app(bound))
    const { url } = await at.run(at.keeper.beginConsent('work', { redirectUri }))
    const jkt = new URL(url).searchParams.get('dpop_jkt')
    expect(jkt).toMatch(/^[\w-]{43}$/)
    await at.login('work', 'ann')
    const first = await at.run(at.keeper.getToken('work'))
    const second = await at.run(at.keeper.refresh('work'))
    expect([keyOf(at, first), keyOf(at, second)]).toEqual([jkt, jkt])
    expect(await (await asks(at, second)).json()).toMatchObject({ sub: 'ann' })
  })

  test('a consent whose request is pushed with a proof', async () => {
    const at = await practised({ practice: { requirePushedAuthorization: true, dpopNonce: true } })
    await at.keeper.add('work', at.app(bound))
    await at.login('work')
    expect(keyOf(at, await at.run(at.keeper.getToken('work')))).toMatch(/^[\w-]{43}$/)
    const pushed = at.server.requests.filter(({ path }) => path === '/par')
    expect(pushed.map(({ status }) => status)).toEqual([400, 201])
  })

  test('a consent on another device', async () => {
    const at = await practised({ practice: { deviceInterval: 1 } })
    await at.keeper.add('work', at.app(bound))
    const begun = await at.run(at.keeper.beginDeviceConsent('work'))
    await consentToDevice(begun.verificationUri, begun.userCode)
    await at.run(begun.finished)
    expect(keyOf(at, await at.run(at.keeper.getToken('work')))).toMatch(/^[\w-]{43}$/)
  })

  test('a login that began elsewhere, from its first refresh on', async () => {
    const at = await practised()
    await at.keeper.add('work', await at.imported(bound))
    expect(keyOf(at, await at.run(at.keeper.getToken('work')))).toMatch(/^[\w-]{43}$/)
  })
})

describe('the key', () => {
  test('is another for each grant', async () => {
    const at = await practised()
    await at.keeper.add('a', at.service(bound))
    await at.keeper.add('b', at.service(bound))
    const [a, b] = [await at.run(at.keeper.getToken('a')), await at.run(at.keeper.getToken('b'))]
    expect(keyOf(at, a)).not.toBe(keyOf(at, b))
  })

  test('outlives a changed definition, a consent and the time in which it is not wanted', async () => {
    const at = await practised()
    const { keeper, run } = at
    await keeper.add('work', at.app({ ...web, ...bound, clientAuthentication: 'client_secret_post' }))
    await at.login('work')
    const before = keyOf(at, await run(keeper.getToken('work')))
    const plain = { ...web, clientAuthentication: 'client_secret_post' } as const
    await keeper.ensure('work', at.app({ ...plain, scope: 'read', dpop: false }))
    const unbound = await run(keeper.refresh('work'))
    expect([unbound.type, unbound.presentation]).toEqual(['Bearer', undefined])
    await keeper.ensure('work', at.app({ ...plain, ...bound }))
    expect(keyOf(at, await run(keeper.refresh('work')))).toBe(before)
    await at.login('work')
    expect(keyOf(at, await run(keeper.refresh('work')))).toBe(before)
    expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0 })
  })

  test('is another for the login of another client', async () => {
    const at = await practised()
    await at.keeper.add('a', at.service(bound))
    const before = keyOf(at, await at.run(at.keeper.getToken('a')))
    await at.keeper.ensure('a', at.account(bound))
    const after = keyOf(at, await at.run(at.keeper.getToken('a')))
    expect([after === undefined, after === before]).toEqual([false, false])
  })

  test('is the same for every process on the store, and after a restart', async () => {
    const file = newStoreFile()
    const at = await practised({ store: (clock) => sqliteStore(file, { clock }) })
    await at.keeper.add('work', await at.imported(bound))
    const first = keyOf(at, await at.run(at.keeper.getToken('work')))
    const other = await at.another()
    const token = await at.run(other.refresh('work'))
    expect([keyOf(at, token), (await asks(at, token)).status]).toEqual([first, 200])
    await at.run(Promise.all([at.keeper.close(), other.close()]))
    const later = await at.another()
    const held = await at.run(later.getToken('work'))
    expect([held.value, (await asks(at, held)).status]).toEqual([token.value, 200])
    expect(keyOf(at, await at.run(later.refresh('work')))).toBe(first)
  })

  test('that is missing sets the grant aside, and nothing is sent without it', async () => {
    const at = await practised()
    await at.keeper.add('a', at.service(bound))
    await at.keeper.store.update('a', (record) => ({
      result: undefined,
      record: record && { ...record, proofKey: undefined },
    }))
    expect(await at.failure(at.keeper.getToken('a'))).toMatchObject({ code: 'store_damaged' })
    expect(await at.keeper.show('a')).toMatchObject({ state: 'quarantined' })
    expect(at.tokenRequests()).toEqual([])
  })
})

describe('a provider that wants a nonce', () => {
  // A used refresh token ends the login here: it was not used when the proof lacked a nonce.
  test('is answered in the same attempt, and a strict login goes on', async () => {
    const at = await practised(nonced)
    const { keeper, run } = at
    await keeper.add('work', at.app(bound))
    await at.login('work')
    const claims: number[] = []
    keeper.on('refreshed', () => claims.push(1))
    // Both nonces that the process may have are too old by now.
    await at.pass(20 * minute)
    const fence = async (): Promise<number> => (await keeper.store.read('work'))?.fence ?? 0
    const before = await fence()
    const sent = at.tokenRequests().length
    expect(await run(keeper.refresh('work'))).toMatchObject({ generation: 2 })
    expect(
      at
        .tokenRequests()
        .slice(sent)
        .map(({ status, outcome }) => [status, outcome]),
    ).toEqual([
      [400, 'use_dpop_nonce'],
      [200, 'issued'],
    ])
    const record = await keeper.store.read('work')
    expect([record?.attempts, claims.length]).toEqual([[], 1])
    const claimed = (await fence()) - before
    expect(await keeper.show('work')).toMatchObject({ state: 'active', failures: 0, lastError: undefined })
    expect(await run(keeper.refresh('work'))).toMatchObject({ generation: 3 })
    expect(at.tokenRequests().slice(sent + 2)).toMatchObject([{ status: 200 }])
    // As many claims as for a refresh that was not refused at first.
    expect((await fence()) - before).toBe(2 * claimed)
  })

  test('and never has enough of it is refused once more and no further; the login is untouched', async () => {
    const at = await practised()
    const { keeper } = at
    await keeper.add('work', await at.imported({ ...bound }))
    const sent = at.tokenRequests().length
    let count = 0
    at.answerWith(({ path }) =>
      path === '/token'
        ? {
            status: 400,
            headers: { 'dpop-nonce': `nonce-${count++}` },
            body: '{"error":"use_dpop_nonce"}',
          }
        : undefined,
    )
    expect(await at.run(keeper.tend('work'))).toMatchObject({
      kind: 'failed',
      outcome: { verdict: 'refused' },
    })
    expect(at.tokenRequests().length - sent).toBe(2)
    expect(await keeper.show('work')).toMatchObject({
      state: 'active',
      failures: 1,
      unresolved: false,
      lastError: { code: 'provider_error', error: 'use_dpop_nonce' },
    })
    at.answerWith(undefined)
    await at.pass(minute)
    expect(await at.run(keeper.getToken('work'))).toMatchObject({ type: 'DPoP', generation: 1 })
  })

  test('of which the second request hears nothing leaves one attempt without a verdict', async () => {
    const at = await practised()
    const { keeper } = at
    await keeper.add('work', await at.imported({ ...bound }))
    let count = 0
    at.answerWith(({ path }) => {
      if (path !== '/token') return undefined
      count += 1
      return count === 1
        ? { status: 400, headers: { 'dpop-nonce': 'n-1' }, body: '{"error":"use_dpop_nonce"}' }
        : 'close'
    })
    await at.run(at.keeper.tend('work'))
    expect(count).toBe(2)
    expect((await keeper.store.read('work'))?.attempts).toHaveLength(1)
    expect(await keeper.show('work')).toMatchObject({ unresolved: true })
  })
})

describe('a bound token', () => {
  test('is presented with a proof for the request at hand, and to nobody without one', async () => {
    const at = await practised(nonced)
    await at.keeper.add('a', at.service(bound))
    const token = await at.run(at.keeper.getToken('a'))
    expect(token.presentation).toEqual({ scheme: 'DPoP', proof: expect.anything() })
    expect(JSON.stringify(token)).not.toContain('proof')
    expect((await asks(at, token)).status).toBe(200)
    const url = `${at.server.issuer}/api/whoami`
    const plain = await fetch(url, { headers: { authorization: `Bearer ${token.value}` } })
    expect(plain.status).toBe(401)
    const proof = await proofOf(token).of({ method: 'POST', url })
    const wrong = await fetch(url, { headers: { authorization: `DPoP ${token.value}`, dpop: proof } })
    expect(wrong.status).toBe(401)
  })

  test('keeps the nonce of an API, and says whether another try is worth it, to all who ask at once', async () => {
    const at = await practised(nonced)
    await at.keeper.add('a', at.service(bound))
    const token = await at.run(at.keeper.getToken('a'))
    await at.clock.advance(20 * minute)
    const [one, other] = [await asks(at, token), await asks(at, token)]
    expect([one.status, other.status]).toEqual([401, 401])
    const nonce = one.headers.get('dpop-nonce') ?? ''
    const { server, clock } = at
    expect(proofOf(token).heard(`${server.issuer}/x`, nonce)).toBe(true)
    expect(proofOf(token).heard(server.issuer, nonce)).toBe(true)
    // A token of another grant, which was refused at the same time.
    await at.keeper.add('b', at.service(bound))
    expect(proofOf(await at.run(at.keeper.getToken('b'))).heard(server.issuer, nonce)).toBe(true)
    expect((await asks(at, token)).status).toBe(200)
    await clock.advance(minute)
    expect(proofOf(token).heard(server.issuer, nonce)).toBe(false)
    for (const unusable of ['', 'a b', 'a"b', 'x'.repeat(2000)])
      expect(proofOf(token).heard(server.issuer, unusable)).toBe(false)
    expect((await asks(at, token)).status).toBe(200)
  })

  test('is validated by what the provider says of it, and where it is shown with a proof', async () => {
    const at = await practised(nonced)
    await at.keeper.add('asked', at.service({ ...bound, introspectionUrl: `${at.server.issuer}/introspect` }))
    await at.keeper.add('shown', at.service({ ...bound, validationUrl: `${at.server.issuer}/api/whoami` }))
    for (const id of ['asked', 'shown']) await at.run(at.keeper.getToken(id))
    await at.clock.advance(20 * minute)
    expect(await at.run(at.keeper.validate('asked'))).toMatchObject({ valid: true, by: 'introspection' })
    expect(await at.run(at.keeper.validate('shown'))).toMatchObject({ valid: true, by: 'call' })
    at.server.revokeLogin('practice-service')
    expect(await at.run(at.keeper.validate('shown'))).toMatchObject({ valid: false, by: 'call' })
  })

  test('is told apart from one that the provider has not bound', async () => {
    const at = await practised()
    await at.keeper.add('a', at.service(bound))
    await at.keeper.add('b', at.service())
    expect(await at.keeper.show('a')).toMatchObject({ senderConstrained: true })
    at.answerWith({ status: 200, body: '{"access_token":"x","token_type":"Bearer","expires_in":60}' })
    expect(await at.run(at.keeper.getToken('a'))).toMatchObject({ type: 'Bearer', presentation: undefined })
    expect(await at.keeper.show('a')).toMatchObject({ senderConstrained: false })
    at.answerWith(undefined)
    expect(await at.run(at.keeper.refresh('a'))).toMatchObject({ type: 'DPoP' })
    expect(await at.keeper.show('a')).toMatchObject({ senderConstrained: true })
    expect((await at.keeper.show('b')).senderConstrained).toBeUndefined()
  })
})

test('a client that does not ask for it sends no proof and has no key', async () => {
  const at = await practised({ store: (clock) => memoryStore({ clock, ephemeral: true }) })
  await at.keeper.add('a', at.service())
  let headers: unknown
  at.answerWith((request) => {
    headers = request.headers.dpop
    return undefined
  })
  const token = await at.run(at.keeper.getToken('a'))
  expect([token.type, token.presentation, headers]).toEqual(['Bearer', undefined, undefined])
  expect((await at.keeper.store.read('a'))?.proofKey).toBeUndefined()
})

test('dpop is true or false, and nothing that looks like it', async () => {
  const at = await practised()
  expect(() => at.service({ dpop: 'false' as unknown as boolean })).toThrowError(
    expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining('dpop') }),
  )
})
