import fs from 'node:fs'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import type { Clock } from '../../src/clock.ts'
import {
  authorizationCode,
  clientCredentials,
  type GrantDefinition,
  refreshToken,
} from '../../src/grants/definition.ts'
import { Keeper } from '../../src/grants/keeper.ts'
import type { StoreOpener } from '../../src/grants/store.ts'
import type { GrantSummary } from '../../src/grants/summary.ts'
import type { AccessToken } from '../../src/grants/token.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'
import { memoryStore } from '../../src/stores/memory.ts'
import type { RecordedAnswer, RecordedExchange, RecordedRequest } from '../../src/testing/practice-server.ts'
import { type Practised, practised, redirectUri } from '../grants/practised.ts'

/**
 * One file of `recorded/`: the whole life of a login at a provider, with the requests that it wants and the answers that it gives.
 * A path begins with the provider's host, so that a request to another host does not fit.
 */
export interface RecordedLife {
  /** Of the catalogue. */
  readonly provider?: string
  /** Where the catalogue has none. */
  readonly profile?: ProviderProfile
  /** Rows of `recorded/rows.json` that it proves. */
  readonly rows: readonly string[]
  readonly client: {
    readonly clientId?: string
    readonly clientSecret?: string
    readonly scope?: string
    readonly variables?: Readonly<Record<string, string>>
    readonly parameters?: Readonly<Record<string, string>>
    readonly redirectUri?: string
  }
  /** How it begins. Default `consent`. */
  readonly begins?: 'consent' | 'import' | 'mint'
  /** How it is renewed where its tokens do not expire. */
  readonly renewedByHand?: boolean
  readonly authorize?: {
    readonly address: string
    readonly parameters: Readonly<Record<string, string>>
    /** Regular expressions that whole values must match. */
    readonly patterns?: Readonly<Record<string, string>>
    readonly fragment?: string
  }
  readonly first: Step<ExpectedToken>
  /** What brings the lasting token for the first one, whose value then is this one's. */
  readonly second?: Omit<Step<never>, 'expect'>
  /** Answered once, in place of the refresh. */
  readonly error?: Step<ExpectedTrouble>
  readonly refresh?: Step<ExpectedToken>
  /** Answered for ever after. */
  readonly dead?: Step<ExpectedTrouble & { readonly ends?: GrantSummary['state'] }>
}

interface Step<Expected> {
  /** Where the answer was read; or it is only recalled. */
  readonly source?: string
  readonly recalled?: true
  /** What is not said is as in the step before: the first for `refresh`, that for `error` and `dead`. */
  readonly request?: Partial<RecordedRequest>
  readonly answer?: RecordedAnswer
  readonly expect: Expected
}

interface ExpectedToken {
  readonly value: string
  /** Default `Bearer`. */
  readonly type?: string
  /** Seconds. */
  readonly lifetime: number
  /** Default `stated`. */
  readonly lifetimeFrom?: GrantSummary['lifetimeFrom']
  readonly scope?: readonly string[]
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Seconds; absent where nothing is known of it. `as before`: a refresh moves its end no further. */
  readonly refreshTokenLifetime?: number | 'as before'
}

type ExpectedTrouble = Partial<Pick<GrantSummary, 'state' | 'unresolved' | 'lastError'>>

const folder = path.join(import.meta.dirname, 'recorded')

/** The names of all files, without their end. */
export const recordedNames = (): readonly string[] =>
  fs
    .readdirSync(folder)
    .filter((file) => file.endsWith('.json') && file !== 'rows.json')
    .map((file) => file.slice(0, -'.json'.length))
    .sort()

export const readRecorded = (name: string): RecordedLife =>
  JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), 'utf8')) as RecordedLife

/** A row of the list of quirks: proven by a file of `recorded/` or by a test elsewhere, or open for a reason. */
export interface QuirkRow {
  readonly section: 1 | 2 | 3 | 4
  readonly row: string
  /** `path › part of a test's name` from the root of the repository. */
  readonly elsewhere?: readonly string[]
  readonly open?: string
}

export const quirkRows = (): readonly QuirkRow[] =>
  JSON.parse(fs.readFileSync(path.join(folder, 'rows.json'), 'utf8')) as QuirkRow[]

export const profileOf = ({ provider, profile }: RecordedLife): ProviderProfile =>
  profile ?? (catalogueProfile(provider ?? '') as ProviderProfile)

const minute = 60_000

/** Lives the whole life; every expectation of the file is asserted on the way. */
export async function live(
  life: RecordedLife,
  open: (clock: Clock) => StoreOpener = (clock) => memoryStore({ clock, ephemeral: true }),
): Promise<void> {
  const at = await practised({ practice: { recorded: exchangesOf(life) } })
  const keeper = await keeperOf(at, open(at.clock))
  const unexpected = () =>
    at.server.requests
      .filter(({ outcome }) => outcome !== 'recorded')
      .map(({ path: asked, reason }) => `${asked}: ${reason}`)
  try {
    await through({ ...at, keeper, life })
  } catch (error) {
    // What was wrong with the request says more than what came of it.
    expect(unexpected()).toEqual([])
    throw error
  }
  expect(unexpected()).toEqual([])
}

async function through(world: World): Promise<void> {
  const { keeper, life } = world
  await keeper.add('work', definitionOf(life))
  if (life.begins === undefined || life.begins === 'consent') await consent(world)
  const end = await expectToken(world, life.first.expect, 1)
  if (life.error !== undefined) {
    await untilRefused(world)
    expect(await keeper.show('work')).toMatchObject(life.error.expect)
  }
  if (life.refresh !== undefined) {
    for (let tries = 0; tries < 8 && (await keeper.show('work')).generation === 1; tries++) await renew(world)
    await expectToken(world, life.refresh.expect, 2, end)
  }
  if (life.dead !== undefined) await die(world, life.dead.expect)
}

type World = Practised & { readonly life: RecordedLife }

/** Every request goes to the practice server, with its host in front of its path. */
async function keeperOf(at: Practised, store: StoreOpener): Promise<Keeper> {
  const keeper = await Keeper.open({
    store,
    clock: at.clock,
    random: () => 0.5,
    transport: (request) => {
      const { host, pathname, search } = new URL(request.url)
      return at.transport({ ...request, url: `${at.server.url}/${host}${pathname}${search}` })
    },
  })
  onTestFinished(() => at.run(keeper.close()))
  return keeper
}

function definitionOf(life: RecordedLife): GrantDefinition {
  const { clientId = 'client1', clientSecret, ...client } = life.client
  const options = { profile: profileOf(life), clientId, ...client, ...(clientSecret && { clientSecret }) }
  switch (life.begins) {
    case 'import':
      return refreshToken({ ...options, refreshToken: 'rt-0' })
    case 'mint':
      return clientCredentials(options)
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
  await run(keeper.finishConsent(new URL(`${redirectUri}?${new URLSearchParams({ code: 'code-1', state })}`)))
}

/** Where a refresh may not come too early, the first moment at which one is due may be none at which it is sent. */
async function untilRefused(world: World): Promise<void> {
  for (let tries = 0; tries < 4 && (await world.keeper.show('work')).lastError === undefined; tries++)
    await renew(world)
}

/** As a worker would: when it is due. */
async function renew({ keeper, run, pass, clock, life }: World): Promise<void> {
  if (life.renewedByHand) {
    await pass(minute)
    await run(keeper.refresh('work').catch(() => undefined))
    return
  }
  const { nextAttemptAt = clock.now() } = await keeper.show('work')
  await pass(Math.max(nextAttemptAt - clock.now(), 0) + 1_000)
  await run(keeper.tend('work'))
}

/** Gives when the refresh token dies by age, UTC ms, where that is known. */
async function expectToken(
  world: World,
  expected: ExpectedToken,
  generation: number,
  before?: number,
): Promise<number | undefined> {
  const { keeper, run } = world
  const token: AccessToken = await run(keeper.getToken('work'))
  const { value, type = 'Bearer', lifetime, lifetimeFrom = 'stated', scope, metadata = {} } = expected
  expect({ value: token.value, type: token.type, generation: token.generation }).toEqual({
    value,
    type,
    generation,
  })
  const shown = await keeper.show('work')
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
    ...['rt-0', 'rt-1', 'rt-2', 'code-1'],
  ].filter((secret) => secret !== undefined)

function exchangesOf(life: RecordedLife): readonly RecordedExchange[] {
  const { first, second, error, refresh, dead } = life
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
  add(first, firstRequest, 1)
  add(second, firstRequest, 1)
  add(error, refreshRequest, 1)
  add(refresh, refreshRequest, 1)
  add(dead, refreshRequest)
  return exchanges
}
