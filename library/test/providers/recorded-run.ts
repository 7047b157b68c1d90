import type { RecordedExchange, RecordedRequest } from '@evertoken/testing'
import { jwtVerify } from 'jose'
import { expect, onTestFinished } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import {
  authorizationCode,
  clientCredentials,
  type GrantDefinition,
  passwordCredentials,
  refreshToken,
} from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import { requestedToken } from '../../src/grants/requested-token.ts'
import type { StoreOpener } from '../../src/grants/store.ts'
import type { AccessToken } from '../../src/grants/token.ts'
import type { WireRequest } from '../../src/oauth/transport.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import { authorizedFetch } from '../../src/use/authorized-fetch.ts'
import { type Practised, practised, redirectUri } from '../grants/practised.ts'
import {
  type ExpectedToken,
  type ExpectedTrouble,
  keys,
  profileOf,
  type RecordedLife,
  type Step,
} from './recorded-life.ts'

const minute = 60_000

/** Lives the whole life; every expectation of the file is asserted on the way. */
export async function live(
  life: RecordedLife,
  open: (clock: Clock) => StoreOpener = (clock) => memoryStore({ clock, ephemeral: true }),
): Promise<void> {
  await lived(life, exchangesOf(life), open, through)
  const { revoke } = life
  if (revoke !== undefined) await lived(life, exchangesOf(life), open, ended)
}

async function lived(
  life: RecordedLife,
  recorded: readonly RecordedExchange[],
  open: (clock: Clock) => StoreOpener,
  goes: (world: World) => Promise<void>,
): Promise<void> {
  const at = await practised({ practice: { recorded } })
  const jwts: string[] = []
  const keeper = await keeperOf(at, open(at.clock), (request) => jwts.push(...jwtsOf(life, request)))
  const unexpected = () =>
    at.server.requests
      .filter(({ outcome }) => outcome !== 'recorded')
      .map(({ path: asked, reason }) => `${asked}: ${reason}`)
  try {
    await goes({ ...at, keeper, life })
  } catch (error) {
    // What was wrong with the request says more than what came of it.
    expect(unexpected()).toEqual([])
    throw error
  }
  expect(unexpected()).toEqual([])
  await expectSigned(life, jwts)
}

async function through(world: World): Promise<void> {
  const { keeper, life } = world
  await begin(world)
  const end = await expectToken(world, life.first.expect, 1)
  await expectSpent(world)
  if (life.loginLimit !== undefined)
    expect((await keeper.show('work')).loginLimit).toMatchObject(life.loginLimit)
  if (life.refusesEarly)
    expect(await world.failure(keeper.refresh('work'))).toMatchObject({ code: 'refresh_too_soon' })
  for (const [name, { expect: expected }] of Object.entries(life.secondary ?? {}))
    await expectToken(world, expected, 1, undefined, `work.${name}`)
  if (life.error !== undefined) {
    await untilRefused(world)
    expect(await keeper.show('work')).toMatchObject(life.error.expect)
  }
  if (life.refresh !== undefined) {
    for (let tries = 0; tries < 8 && (await keeper.show('work')).generation === 1; tries++) await renew(world)
    await expectToken(world, life.refresh.expect, 2, end)
  }
  for (const [name, { refresh }] of Object.entries(life.secondary ?? {})) {
    await renew(world, `work.${name}`)
    await expectToken(world, refresh.expect, 2, undefined, `work.${name}`)
  }
  if (life.dead !== undefined) await die(world, life.dead.expect)
}

type World = Practised & { readonly life: RecordedLife }

async function begin(world: World): Promise<void> {
  const { keeper, life, run } = world
  await keeper.add('work', definitionOf(life))
  if (life.begins === undefined || life.begins === 'consent') await consent(world)
  if (life.begins === 'login')
    await run(keeper.login('work', { username: 'ann@example.com', password: 'hunter2-quoted' }))
}

/** The provider is told at once, and nothing of the login is handed out any more. */
async function ended(world: World): Promise<void> {
  const { keeper, run, pass, failure, life } = world
  await begin(world)
  const { value } = await run(keeper.getToken('work'))
  await run(keeper.revoke('work'))
  await pass(minute)
  await run(keeper.tend('work'))
  const shown = await keeper.show('work')
  const told = Object.entries(shown.told ?? {}).map(([kind, one]) => [kind, one?.outcome])
  expect({ upstream: shown.upstream, ...Object.fromEntries(told) }).toEqual(life.revoke?.expect)
  expect(shown.state).toBe('revoked')
  expect(await failure(keeper.getToken('work'))).toMatchObject({ code: 'grant_revoked' })
  expect(JSON.stringify(shown)).not.toContain(value)
}

/** Spends the token on an API, which says where it was. */
async function expectSpent({ keeper, run, life }: World): Promise<void> {
  if (life.api === undefined) return
  const [header, value] = life.api
  let headers = new Headers()
  const api = authorizedFetch(keeper.source('work'), {
    fetch: async (_, init) => {
      headers = new Headers(init?.headers)
      return new Response('{}')
    },
  })
  await run(api('https://api.example.com/me'))
  expect(headers.get(header)).toBe(value)
  if (header !== 'authorization') expect(headers.has('authorization')).toBe(false)
}

function jwtsOf({ signed }: RecordedLife, { body, headers }: WireRequest): readonly string[] {
  const { parameter, header } = signed ?? {}
  const carried =
    parameter === undefined ? headers[header ?? '']?.split(' ')[1] : new URLSearchParams(body).get(parameter)
  return carried ? [carried] : []
}

async function expectSigned({ signed, client }: RecordedLife, jwts: readonly string[]): Promise<void> {
  if (signed === undefined || client.signingKey === undefined) return
  expect(jwts.length).toBeGreaterThan(2)
  expect(new Set(jwts).size).toBe(jwts.length)
  for (const jwt of jwts) {
    const { iat = 0 } = JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as {
      iat?: number
    }
    const currentDate = new Date((iat + 1) * 1000)
    const { payload, protectedHeader } = await jwtVerify(jwt, keys[client.signingKey].publicKey, {
      currentDate,
    })
    const { iat: from, exp = 0, jti: _, ...claims } = payload
    expect(protectedHeader).toMatchObject({ alg: client.signingKey, kid: 'KEY1' })
    expect({ claims, lifetime: exp - (from ?? 0) }).toEqual({
      claims: signed.claims,
      lifetime: signed.lifetime,
    })
  }
}

/** Every request goes to the practice server, with its host in front of its path. */
async function keeperOf(
  at: Practised,
  store: StoreOpener,
  sees: (request: WireRequest) => void,
): Promise<Keeper> {
  const keeper = await Keeper.open({
    store,
    clock: at.clock,
    random: () => 0.5,
    transport: (request) => {
      sees(request)
      const { host, pathname, search } = new URL(request.url)
      return at.transport({ ...request, url: `${at.server.url}/${host}${pathname}${search}` })
    },
  })
  onTestFinished(() => at.run(keeper.close()))
  return keeper
}

function definitionOf(life: RecordedLife): GrantDefinition {
  const { clientId = 'client1', clientSecret, signingKey: algorithm, ...client } = life.client
  const key = algorithm && {
    algorithm,
    key: keys[algorithm].privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    keyId: 'KEY1',
  }
  const options = {
    profile: profileOf(life),
    clientId,
    ...client,
    ...(clientSecret && { clientSecret }),
    ...(key && life.begins !== 'request' && { signingKey: key }),
  }
  switch (life.begins) {
    case 'import':
      return refreshToken({ ...options, refreshToken: 'rt-0' })
    case 'mint':
      return clientCredentials(options)
    case 'login':
      return passwordCredentials(options)
    case 'request':
      return requestedToken({ ...options, ...(key && { assertion: { key } }) })
    default:
      return authorizationCode(options)
  }
}

async function consent({ keeper, run, life }: World): Promise<void> {
  const back = life.client.redirectUri ?? redirectUri
  const { url, state } = await run(keeper.beginConsent('work', { redirectUri: back }))
  if (life.authorize !== undefined) {
    const { origin, pathname, searchParams, hash } = new URL(url)
    const { address, parameters, patterns = {}, fragment } = life.authorize
    expect(origin + pathname).toBe(address)
    for (const [name, pattern] of Object.entries(patterns))
      expect(searchParams.get(name)).toMatch(new RegExp(`^(?:${pattern})$`))
    const sent = Object.fromEntries(searchParams)
    for (const [name, value] of Object.entries(parameters))
      if (value === '*' && name in sent) sent[name] = '*'
    expect(sent).toEqual(parameters)
    expect(hash).toBe(fragment === undefined ? '' : `#${fragment}`)
  }
  const returned = new URLSearchParams({ code: 'code-1', state, ...life.callback?.parameters })
  await run(keeper.finishConsent(new URL(`${redirectUri}?${returned}`)))
}

/** Where a refresh may not come too early, the first moment at which one is due may be none at which it is sent. */
async function untilRefused(world: World): Promise<void> {
  for (let tries = 0; tries < 4 && (await world.keeper.show('work')).lastError === undefined; tries++)
    await renew(world)
}

/** As a worker would: when it is due. */
async function renew({ keeper, run, pass, clock, life }: World, id = 'work'): Promise<void> {
  if (life.renewedByHand) {
    await pass(minute)
    await run(keeper.refresh(id).catch(() => undefined))
    return
  }
  const { nextAttemptAt = clock.now() } = await keeper.show(id)
  await pass(Math.max(nextAttemptAt - clock.now(), 0) + 1_000)
  await run(keeper.tend(id))
}

/** Gives when the refresh token dies by age, UTC ms, where that is known. */
async function expectToken(
  world: World,
  expected: ExpectedToken,
  generation: number,
  before?: number,
  id = 'work',
): Promise<number | undefined> {
  const { keeper, run } = world
  const token: AccessToken = await run(keeper.getToken(id))
  const { value, type = 'Bearer', lifetime, lifetimeFrom = 'stated', scope, metadata = {} } = expected
  expect({ value: token.value, type: token.type, generation: token.generation }).toEqual({
    value,
    type,
    generation,
  })
  const shown = await keeper.show(id)
  expect(shown).toMatchObject({ state: 'active', failures: 0, unresolved: false, lifetimeFrom })
  const asked = shown.lastAttemptAt ?? shown.lastRefreshAt ?? 0
  expectSeconds(token.expiresAt - asked, lifetime)
  if (scope !== undefined) expect(token.scope).toEqual(scope)
  expect(token.metadata).toEqual(metadata)
  const { refreshTokenExpiresAt: end } = shown
  const { refreshTokenLifetime: left } = expected
  if (left === 'as before') expect(end).toBe(before)
  else if (left === undefined) expect(end).toBeUndefined()
  else expectSeconds((end ?? 0) - asked, left)
  return end
}

/** What a clock that runs while a request is under way may make of it. */
function expectSeconds(ms: number, seconds: number): void {
  expect(ms / 1000).toBeGreaterThan(seconds - 10)
  expect(ms / 1000).toBeLessThan(seconds + 10)
}

async function die(
  world: World,
  { ends = 'reauthorization_required', ...expected }: ExpectedTrouble & { readonly ends?: string },
): Promise<void> {
  const { keeper, run, pass, clock, failure } = world
  await untilRefused(world)
  expect(await keeper.show('work')).toMatchObject(expected)
  for (const wait of [2, 15]) {
    await pass(wait * minute)
    await run(keeper.tend('work'))
  }
  const shown = await keeper.show('work')
  expect(shown.state).toBe(ends)
  const secrets = secretsOf(world.life)
  expect(secrets.filter((secret) => JSON.stringify([shown, world.told]).includes(secret))).toEqual([])
  if (ends !== 'reauthorization_required') return
  await pass(Math.max((shown.expiresAt ?? 0) - clock.now(), 0) + minute)
  const error = await failure(keeper.getToken('work'))
  expect(error.code).toBe('reauthorization_required')
  expect(secrets.filter((secret) => JSON.stringify([error, error.message]).includes(secret))).toEqual([])
}

/** Everything of a file that nobody may ever read: what went out and came in as a token, and the client's secret. */
const secretsOf = ({ client, first, refresh }: RecordedLife): readonly string[] =>
  [
    first.expect.value,
    refresh?.expect.value,
    client.clientSecret,
    ...['rt-0', 'rt-1', 'rt-2', 'code-1', 'hunter2-quoted'],
  ].filter((secret) => secret !== undefined)

function exchangesOf(life: RecordedLife): readonly RecordedExchange[] {
  const { first, second, error, refresh, dead, revoke, secondary = {} } = life
  const firstRequest = { path: '', parameters: {}, ...first.request }
  const refreshRequest = { ...firstRequest, ...refresh?.request }
  const exchanges: RecordedExchange[] = []
  const add = (
    step: Omit<Step<unknown>, 'expect'> | undefined,
    before: RecordedRequest,
    times?: number,
  ): void => {
    if (step?.answer === undefined) return
    const { request, answer } = step
    const parameters = { ...request?.parameters }
    exchanges.push({
      request: { ...before, ...request, parameters: request?.parameters ? parameters : before.parameters },
      answer,
      ...(times === undefined ? {} : { times }),
    })
  }
  for (const { refresh: other } of Object.values(secondary)) add(other, refreshRequest, 1)
  add(first, firstRequest, 1)
  add(second, firstRequest, 1)
  add(error, refreshRequest, 1)
  add(refresh, refreshRequest, 1)
  add(dead, refreshRequest)
  add(revoke, { ...firstRequest, headers: {} }, 1)
  return exchanges
}
