// What a worker's death in the middle of a refresh costs where a used refresh token ends the login.

import { type AuthorizationCodeOptions, Keeper, Worker } from 'evertoken'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { consent, login, testFolder } from './login.ts'
import { KeeperProcess, type KeeperProcessOptions } from './processes.ts'
import { type OidcProvider, startOidcProvider, type TokenRequest } from './provider-process.ts'
import { sqliteIn, storeAt } from './store-address.ts'

let provider: OidcProvider
let before = 0
beforeAll(async () => {
  provider = await startOidcProvider({ lifetime: 6 })
})
afterAll(() => provider[Symbol.asyncDispose]())
beforeEach(() => {
  before = provider.requests().length
})

const seen = (): readonly TokenRequest[] => provider.requests().slice(before)

/** A login that a worker in another process was about to refresh when it was killed. */
async function killedWorker(
  hold: NonNullable<KeeperProcessOptions['hold']>,
  options: Partial<AuthorizationCodeOptions> = {},
): Promise<Keeper> {
  const timing = { deadline: 1_000, lease: 2_000, quiescence: 1_000, confirmations: [200, 200] }
  const store = sqliteIn(testFolder())
  const keeper = await Keeper.open({ store: storeAt(store), timing })
  onTestFinished(() => keeper.close())
  await keeper.add('work', login(provider.issuer, options))
  await consent(keeper, 'work')
  const worker = new KeeperProcess({
    name: 'victim',
    role: 'worker',
    store,
    timing,
    grant: 'work',
    issuer: provider.issuer,
    journal: '',
    hold,
  })
  onTestFinished(() => worker.kill())
  await worker.held()
  expect(await keeper.show('work')).toMatchObject({ generation: 1, unresolved: true })
  await worker.kill()
  return keeper
}

function working(keeper: Keeper): void {
  const worker = new Worker(keeper).start()
  onTestFinished(() => worker.stop())
}

test('killed before the request left, the login lives: the next worker waits as long as it can, then sends once', async () => {
  const keeper = await killedWorker('request')
  const { expiresAt } = await keeper.show('work')
  // Nobody can know that nothing left, so nobody sends while the present token is far from its end.
  await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'token_unavailable' })
  working(keeper)
  await expect
    .poll(() => keeper.show('work'), { timeout: 8_000 })
    .toMatchObject({ state: 'active', generation: 2, unresolved: false })
  const requests = seen()
  expect(requests).toMatchObject([
    { grantType: 'authorization_code', outcome: 'success' },
    { grantType: 'refresh_token', outcome: 'success', generation: 2, spent: requests[0]!.issued },
  ])
  // A quarter of its six seconds is the window in which readers already wait.
  expect(requests[1]!.at).toBeGreaterThanOrEqual(expiresAt! - 1_510)
  const token = await keeper.getToken('work')
  expect(await provider.introspect(token.value)).toMatchObject({ active: true })
})

test('killed before the request left, with a provider that may be asked, the login goes on as soon as nothing can be under way', async () => {
  const keeper = await killedWorker('request', { introspection: true })
  const { expiresAt } = await keeper.show('work')
  working(keeper)
  await expect
    .poll(() => keeper.show('work'), { timeout: 8_000 })
    .toMatchObject({ state: 'active', generation: 2, unresolved: false })
  const [, refreshed] = seen()
  expect(refreshed).toMatchObject({ outcome: 'success', generation: 2 })
  expect(refreshed!.at).toBeLessThan(expiresAt! - 1_510)
  expect((await keeper.show('work')).notices.map(({ kind }) => kind)).toEqual([
    'connected',
    'at_risk',
    'recovered',
  ])
})

test('killed between the answer and our spool, a login of which the provider may be asked is given up without a second send', async () => {
  const keeper = await killedWorker('answer', { introspection: true })
  working(keeper)
  await expect
    .poll(async () => (await keeper.show('work')).state, { timeout: 10_000 })
    .toBe('reauthorization_required')
  expect(seen().map(({ outcome }) => outcome)).toEqual(['success', 'success'])
  expect((await keeper.show('work')).reason).toMatch(/^lost_rotation/)
})

// The spool holds the answer from the moment it arrives: what is left is the time between the server's commit and our
// spool; nothing on our side can close that.
test('killed between the answer and our commit, a strict login is lost: said once, and a consent brings the grant back', async () => {
  const keeper = await killedWorker('answer')
  expect(seen()).toMatchObject([
    { grantType: 'authorization_code', generation: 1 },
    { grantType: 'refresh_token', outcome: 'success', generation: 2, sender: 'victim' },
  ])
  const told: string[] = []
  keeper.on('reauthorization_required', ({ grant }) => told.push(grant))
  working(keeper)
  await expect
    .poll(async () => (await keeper.show('work')).state, { timeout: 10_000 })
    .toBe('reauthorization_required')
  const [first, lost, ...refused] = seen()
  expect(refused).toMatchObject([
    { error: 'invalid_grant', reason: 'refresh token already used', spent: first!.issued },
    { error: 'invalid_grant', spent: lost!.spent },
    { error: 'invalid_grant', spent: lost!.spent },
  ])
  expect(told).toEqual(['work'])
  expect((await consent(keeper, 'work')).state).toBe('active')
  const token = await keeper.getToken('work')
  expect(token.generation).toBe(2)
  expect(await provider.introspect(token.value)).toMatchObject({ active: true })
})
