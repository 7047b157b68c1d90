import { inspect } from 'node:util'
import { fingerprint } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { memoryStore } from '../../src/stores/memory.ts'
import { type Practised, practised } from './practised.ts'

const second = 1000

/** A grant whose consent has begun on another device. */
async function begun(options: Parameters<typeof practised>[0] = {}, signal?: AbortSignal) {
  const practice = await practised(options)
  const { keeper, run, app } = practice
  await keeper.add('work', app())
  const shown = await run(keeper.beginDeviceConsent('work', { signal }))
  return { ...practice, shown }
}

const outcomes = ({ tokenRequests }: Pick<Practised, 'tokenRequests'>) =>
  tokenRequests().map(({ outcome }) => outcome)

/** Seconds between the token requests, from the beginning on. */
const distances = ({ tokenRequests }: Pick<Practised, 'tokenRequests'>, from: number) => {
  const times = [from, ...tokenRequests().map(({ at }) => at)]
  return times.slice(1).map((at, index) => (at - (times[index] as number)) / second)
}

describe('a consent on another device', () => {
  test('shows a code and where to type it, and makes the grant active once somebody agreed', async () => {
    const practice = await begun()
    const { keeper, clock, run, pass, server, shown, told } = practice
    const { finished, ...facts } = shown
    expect(facts).toEqual({
      userCode: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
      verificationUri: `${server.issuer}/device`,
      verificationUriComplete: `${server.issuer}/device?user_code=${shown.userCode}`,
      expiresAt: clock.now() + 600 * second,
      interval: 5 * second,
    })
    await pass(12 * second, second)
    expect(outcomes(practice)).toEqual(['authorization_pending', 'authorization_pending'])
    expect((await keeper.show('work')).state).toBe('pending')
    await server.consentToDevice(shown.userCode, { subject: 'person-1' })
    expect(await run(finished)).toMatchObject({ id: 'work', state: 'active', generation: 1 })
    expect(outcomes(practice)).toEqual(['authorization_pending', 'authorization_pending', 'issued'])

    const token = await run(keeper.getToken('work'))
    expect(server.introspect(token.value)).toMatchObject({
      active: true,
      sub: 'person-1',
      scope: 'read write',
    })
    expect(told).toMatchObject([['refreshed', { grant: 'work', generation: 1 }]])
    expect(await keeper.notices()).toMatchObject([{ grant: 'work', kind: 'connected' }])
    await clock.advance(3601 * second)
    expect((await run(keeper.getToken('work'))).generation).toBe(2)
  })

  test('is not wanted any more once its grant was revoked, and the next one is', async () => {
    const { keeper, run, pass, server, shown, failure } = await begun()
    await pass(6 * second, second)
    await run(keeper.revoke('work'))
    await server.consentToDevice(shown.userCode, { subject: 'person-1' })
    expect(await failure(shown.finished)).toMatchObject({
      code: 'state_unknown',
      grant: 'work',
      advice: 'It stays revoked. Whoever wants it back begins a new login.',
    })
    expect((await keeper.show('work')).state).toBe('revoked')
    await pass(second)
    const next = await run(keeper.beginDeviceConsent('work'))
    await server.consentToDevice(next.userCode, { subject: 'person-1' })
    expect(await run(next.finished)).toMatchObject({ state: 'active' })
  })

  test('replaces the login that was there: nothing of the old one is used any more', async () => {
    const { keeper, clock, run, server, app, login, tokenRequests } = await practised()
    await keeper.add('work', app())
    await login('work', 'person-1')
    const old = tokenRequests().at(-1)?.refreshToken
    const shown = await run(keeper.beginDeviceConsent('work'))
    await server.consentToDevice(shown.userCode, { subject: 'person-2' })
    expect(await run(shown.finished)).toMatchObject({ state: 'active', generation: 2 })
    const token = await run(keeper.getToken('work'))
    expect(server.introspect(token.value)).toMatchObject({ sub: 'person-2' })
    await clock.advance(3601 * second)
    await run(keeper.getToken('work'))
    expect(tokenRequests().at(-1)?.presented).not.toBe(old)
    expect(tokenRequests().at(-1)).toMatchObject({ grantType: 'refresh_token', subject: 'person-2' })
  })

  test('is refused when the person denies it; the grant stays as it was', async () => {
    const { keeper, failure, server, shown } = await begun()
    await server.consentToDevice(shown.userCode, { deny: true })
    expect(await failure(shown.finished)).toMatchObject({ code: 'consent_denied', error: 'access_denied' })
    expect((await keeper.show('work')).state).toBe('pending')
  })

  test('ends with its code, without a last question, and says that nobody came', async () => {
    const practice = await begun({ practice: { lifetimes: { deviceCode: 12 } } })
    const { clock, failure, shown, tokenRequests } = practice
    const from = clock.now()
    expect(await failure(shown.finished)).toMatchObject({ code: 'grant_pending', grant: 'work' })
    expect(clock.now() - from).toBe(12 * second)
    expect(tokenRequests()).toHaveLength(2)
  })

  test('counts the code’s life on while the machine is suspended', async () => {
    const { clock, failure, shown, tokenRequests } = await begun()
    clock.suspend(600 * second)
    expect(await failure(shown.finished)).toMatchObject({ code: 'grant_pending' })
    expect(tokenRequests()).toHaveLength(0)
  })

  test('asks five seconds later for good whenever the provider says slow_down', async () => {
    const practice = await practised()
    const { keeper, clock, pass, run, app, answerWith } = practice
    await keeper.add('work', app())
    let asked = 0
    answerWith(({ path }) => {
      if (path !== '/token') return undefined
      asked += 1
      const error = asked === 1 || asked === 3 ? 'slow_down' : 'authorization_pending'
      return { status: 400, body: JSON.stringify({ error }) }
    })
    await run(keeper.beginDeviceConsent('work'))
    const from = clock.now()
    await pass(60 * second, second)
    expect(distances(practice, from)).toEqual([5, 10, 10, 15, 15])
  })

  test('asks half as often after each connection that breaks', async () => {
    const practice = await practised()
    const { keeper, clock, pass, run, server, app } = practice
    await keeper.add('work', app())
    server.fault({ kind: 'drop_answer', count: 2 })
    await run(keeper.beginDeviceConsent('work'))
    const from = clock.now()
    await pass(60 * second, second)
    expect(distances(practice, from)).toEqual([5, 10, 20, 20])
  })

  test('whose answer got lost says so: the code gives tokens once', async () => {
    const { failure, server, shown } = await begun()
    server.fault({ kind: 'drop_answer' })
    await server.consentToDevice(shown.userCode)
    expect(await failure(shown.finished)).toMatchObject({
      code: 'invalid_grant',
      advice: 'Begin again: there will be a new code.',
    })
  })

  test('is kept when the store has no room at that moment', async () => {
    let full = false
    let refused = 0
    const { run, server, shown, tokenRequests } = await begun({
      store: (clock) =>
        memoryStore({
          clock,
          save: async () => {
            if (!full) return
            refused += 1
            if (refused === 3) full = false
            throw new Error('no room')
          },
        }),
    })
    await server.consentToDevice(shown.userCode)
    full = true
    expect(await run(shown.finished)).toMatchObject({ state: 'active', generation: 1 })
    expect(refused).toBe(3)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('goes nowhere when the grant was removed meanwhile, or is another of that name', async () => {
    const gone = await begun()
    await gone.server.consentToDevice(gone.shown.userCode)
    await gone.keeper.remove('work')
    expect(await gone.failure(gone.shown.finished)).toMatchObject({ code: 'unknown_grant' })
    const other = await begun()
    await other.server.consentToDevice(other.shown.userCode)
    await other.keeper.remove('work')
    await other.clock.advance(1)
    await other.keeper.add('work', other.app())
    expect(await other.failure(other.shown.finished)).toMatchObject({ code: 'state_unknown' })
    expect((await other.keeper.show('work')).state).toBe('pending')
  })
})

describe('the waiting', () => {
  test('ends with the reason of its signal, and asks no more', async () => {
    const over = new AbortController()
    const { pass, shown, tokenRequests } = await begun({}, over.signal)
    await pass(6 * second, second)
    over.abort(new Error('enough'))
    await expect(shown.finished).rejects.toThrow('enough')
    await pass(60 * second, second)
    expect(tokenRequests()).toHaveLength(1)
  })

  test('takes the answer that is on its way when its signal comes', async () => {
    const over = new AbortController()
    const { keeper, clock, run, server, shown, answerWith } = await begun({}, over.signal)
    await server.consentToDevice(shown.userCode)
    let answer = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      answerWith(
        () =>
          new Promise((go) => {
            answer = () => go(undefined)
            resolve()
          }),
      )
    })
    await clock.advance(5 * second)
    await asked
    over.abort(new Error('enough'))
    answer()
    expect(await run(shown.finished)).toMatchObject({ state: 'active' })
    expect((await keeper.show('work')).state).toBe('active')
  })

  test('ends when the keeper is closed, and brings nobody down who does not look', async () => {
    const { keeper, run, shown } = await begun()
    await run(keeper.close())
    await expect(shown.finished).rejects.toMatchObject({ code: 'closed' })
  })
})

describe('a consent on another device does not begin', () => {
  test('for a grant that nobody consents to, or that is not there', async () => {
    const { keeper, failure, service } = await practised()
    await keeper.add('billing', service())
    expect(await failure(keeper.beginDeviceConsent('billing'))).toMatchObject({ code: 'invalid_request' })
    expect(await failure(keeper.beginDeviceConsent('nobody'))).toMatchObject({ code: 'unknown_grant' })
  })

  test('at a provider without an endpoint for it, unless one is named', async () => {
    const { keeper, run, failure, server, app } = await practised()
    const endpoints = {
      issuer: undefined,
      tokenUrl: server.tokenEndpoint,
      authorizationUrl: server.authorizationEndpoint,
    }
    await keeper.add('work', app(endpoints))
    expect(await failure(keeper.beginDeviceConsent('work'))).toMatchObject({
      code: 'invalid_configuration',
      advice: expect.stringContaining('device_authorization_url'),
    })
    const deviceAuthorizationUrl = server.deviceAuthorizationEndpoint
    await keeper.ensure('work', app({ ...endpoints, deviceAuthorizationUrl }))
    const shown = await run(keeper.beginDeviceConsent('work'))
    await server.consentToDevice(shown.userCode)
    expect(await run(shown.finished)).toMatchObject({ state: 'active' })
  })

  test.each([
    ['refuses the client', { status: 400, body: '{"error":"unauthorized_client"}' }, 'invalid_client'],
    ['answers with a page', { status: 200, body: '<html>' }, 'provider_answer_unusable'],
    ['redirects', { status: 302, headers: { location: '/' } }, 'provider_redirect'],
    ['breaks off', 'close' as const, 'provider_unreachable'],
  ])('at a provider that %s', async (_name, answer, code) => {
    const { keeper, failure, app, answerWith } = await practised()
    await keeper.add('work', app())
    answerWith(({ path }) => (path === '/device_authorization' ? answer : undefined))
    const reason = await failure(keeper.beginDeviceConsent('work'))
    expect(reason).toMatchObject({ code, grant: 'work' })
  })
})

test('the device code is shown nowhere, and goes nowhere but to the token endpoint', async () => {
  const { keeper, run, server, shown } = await begun()
  const issued = server.requests.find(({ path }) => path === '/device_authorization')?.presented
  await server.consentToDevice(shown.userCode)
  const summary = await run(shown.finished)
  expect(server.requests.filter(({ presented }) => presented === issued).map(({ path }) => path)).toEqual([
    '/device_authorization',
    '/token',
  ])
  const text = inspect([shown, summary, await keeper.notices()], { depth: 9 })
  expect(text).not.toContain('practice_device_')
  expect(fingerprint('practice_device_')).not.toBe(issued)
})
