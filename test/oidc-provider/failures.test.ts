// What goes wrong at a real server: a wrong secret, a revoked login, a server that is away and comes back.

import { type Keeper, type KeeperEvents, ReauthorizationRequiredError, Worker } from 'evertoken'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { secrets } from './clients.ts'
import { consent, login, testKeeper } from './login.ts'
import { type OidcProvider, startOidcProvider, type TokenRequest } from './provider-process.ts'

let provider: OidcProvider
let before = 0
beforeAll(async () => {
  provider = await startOidcProvider({ lifetime: 3 })
})
afterAll(() => provider[Symbol.asyncDispose]())
beforeEach(() => {
  before = provider.requests().length
})

const seen = (): readonly TokenRequest[] => provider.requests().slice(before)
const outcomes = (requests: readonly TokenRequest[]) =>
  requests.map(({ grantType, outcome, error }) => `${grantType}: ${error ?? outcome}`)

/** A keeper with a login, patient for three seconds and quick to believe. */
async function signedIn(): Promise<Keeper> {
  const keeper = await testKeeper({
    timing: { patience: 3_000, confirmations: [200, 400] },
    random: () => 0.1,
    // The provider is away for seconds, not for minutes, and this login is the only one that can find it back.
    circuit: { pause: 500, strictPatience: 500 },
  })
  await keeper.add('work', login(provider.issuer))
  await consent(keeper, 'work')
  return keeper
}

function working(keeper: Keeper): Worker {
  const worker = new Worker(keeper).start()
  onTestFinished(() => worker.stop())
  return worker
}

test('a wrong client secret leaves the login untouched, which goes on once the secret is right', async () => {
  const keeper = await signedIn()
  const first = await keeper.getToken('work')
  await keeper.ensure('work', login(provider.issuer, { clientSecret: 'wrong' }))
  await expect(keeper.refresh('work')).rejects.toMatchObject({
    code: 'invalid_client',
    error: 'invalid_client',
    status: 401,
  })
  expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: 1, failures: 1 })
  // The token that is still good is served meanwhile, and when it has ended the reader hears why.
  expect((await keeper.getToken('work')).value).toBe(first.value)
  expect(await provider.introspect(first.value)).toMatchObject({ active: true })
  await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(first.expiresAt)
  await expect(keeper.getToken('work')).rejects.toMatchObject({ code: 'invalid_client', grant: 'work' })

  expect((await keeper.ensure('work', login(provider.issuer, { clientSecret: secrets.basic }))).state).toBe(
    'active',
  )
  const second = await keeper.getToken('work')
  expect(second.generation).toBe(2)
  expect(await provider.introspect(second.value)).toMatchObject({ active: true, sub: 'alice' })

  const requests = seen()
  const refused = requests.filter(({ outcome }) => outcome === 'error')
  expect(new Set(outcomes(refused))).toEqual(new Set(['refresh_token: invalid_client']))
  expect(requests.filter(({ outcome }) => outcome === 'success')).toMatchObject([
    { grantType: 'authorization_code', generation: 1 },
    { grantType: 'refresh_token', generation: 2, spent: requests[0]!.issued },
  ])
})

test('a revoked login is confirmed, then stated once, and a new consent brings the same grant back', async () => {
  const keeper = await signedIn()
  const told: KeeperEvents['reauthorization_required'][] = []
  keeper.on('reauthorization_required', (facts) => told.push(facts))
  const first = await keeper.getToken('work')
  const [{ login: theLogin, issued }] = seen() as [TokenRequest]
  await provider.revoke(theLogin!)
  await expect(keeper.refresh('work')).rejects.toMatchObject({ code: 'invalid_grant' })
  expect((await keeper.show('work')).state).toBe('suspect')

  working(keeper)
  await expect
    .poll(() => keeper.show('work'), { timeout: 8_000 })
    .toMatchObject({
      state: 'reauthorization_required',
      lastError: { code: 'invalid_grant', error: 'invalid_grant' },
    })
  await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(first.expiresAt)
  const error = await keeper.getToken('work').catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(ReauthorizationRequiredError)
  expect(error).toMatchObject({ code: 'reauthorization_required', grant: 'work' })
  expect((error as Error).message).toContain('grant work needs a new consent')
  expect(told).toMatchObject([{ grant: 'work' }])
  // One refusal and two confirmations, all of the same refresh token, and then silence.
  const refused = seen().slice(1)
  expect(outcomes(refused)).toEqual(Array(3).fill('refresh_token: invalid_grant'))
  expect(new Set(refused.map(({ spent }) => spent))).toEqual(new Set([issued]))
  expect(refused[1]!.at - refused[0]!.at).toBeGreaterThanOrEqual(190)
  expect(refused[2]!.at - refused[1]!.at).toBeGreaterThanOrEqual(390)

  expect(await consent(keeper, 'work')).toMatchObject({ id: 'work', state: 'active', failures: 0 })
  const again = await keeper.getToken('work')
  expect(again.generation).toBe(2)
  expect(await provider.introspect(again.value)).toMatchObject({ active: true, sub: 'alice' })
  await expect
    .poll(async () => (await keeper.show('work')).generation, { timeout: 8_000 })
    .toBeGreaterThanOrEqual(3)
  expect(told.length).toBe(1)
})

test('a server that is away costs nothing while the token lives, then a clear error, then it goes on by itself', async () => {
  const keeper = await signedIn()
  const events: string[] = []
  keeper.on('failing', ({ code }) => events.push(code))
  keeper.on('recovered', ({ grant }) => events.push(`recovered ${grant}`))
  working(keeper)
  await expect
    .poll(async () => (await keeper.show('work')).generation, { timeout: 8_000 })
    .toBeGreaterThanOrEqual(2)
  const { generation } = await keeper.show('work')
  await provider.down()
  const last = await keeper.getToken('work')
  expect(last.generation).toBeGreaterThanOrEqual(generation)

  await expect.poll(() => events.length, { timeout: 5_000 }).toBeGreaterThan(0)
  const asked = Date.now()
  const token = await keeper.getToken('work')
  expect(token.expiresAt).toBeGreaterThan(asked)

  await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(token.expiresAt)
  await expect(keeper.getToken('work')).rejects.toMatchObject({
    name: 'ProviderError',
    code: 'provider_unreachable',
    grant: 'work',
    advice: expect.stringContaining('tries again by itself'),
  })
  expect(await keeper.show('work')).toMatchObject({ state: 'active', generation: token.generation })
  expect(new Set(events)).toEqual(new Set(['provider_unreachable']))

  await provider.up()
  await expect.poll(() => events.at(-1), { timeout: 10_000 }).toBe('recovered work')
  const next = await keeper.getToken('work')
  expect(next.generation).toBeGreaterThan(token.generation)
  expect(await provider.introspect(next.value)).toMatchObject({ active: true })
  expect(seen().filter(({ outcome }) => outcome === 'error')).toEqual([])
})
