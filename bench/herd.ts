import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client'
import axios from 'axios'
import { clientCredentials as axiosClientCredentials } from 'axios-oauth-client'
import { clientCredentials, Keeper, tokenSource } from 'evertoken'
import { OAuth2Client as GoogleClient } from 'google-auth-library'
import { AuthorizationCode } from 'simple-oauth2'
import { BareClient } from './bare-request.ts'
import { msalClient } from './msal-client.ts'
import { type BenchOptions, type Question, type Report, shown } from './question.ts'
import { startRefresher } from './refresher.ts'
import { type Contender, interleaved, type Spread, spread } from './rounds.ts'
import { opened, type StorePlace, startPlaces, storeNames } from './store-place.ts'
import { startTokenEndpoint, type TokenEndpoint } from './token-endpoint.ts'

const latency = 100
/** Seconds, where a token is waited for to expire. */
const shortLife = 3
/** The same, where only that it runs is of interest. */
const quickLife = 1
/** Seconds, where its life is ended in the store: see {@link endLife}. */
const longLife = 3600

const bare = 'limit: one bare request'
const singleFlight = 'limit: single flight by hand'
const source = 'evertoken tokenSource'
const keeperOnFile = 'evertoken Keeper on SQLite'
const keeperBeside = 'evertoken Keeper on SQLite, another process refreshing'
const badgateway = '@badgateway OAuth2Fetch'
const google = 'google-auth-library OAuth2Client'
const simple = 'simple-oauth2, if expired() refresh()'
const msal = '@azure/msal-node, client credentials'
const axiosClient = 'axios-oauth-client, which keeps no token'
const manyProcesses = (kind: StorePlace['kind']): string =>
  `evertoken, processes on one ${storeNames[kind]} store`

/** Milliseconds until all are answered. */
async function herdOf(callers: number, get: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await Promise.all(Array.from({ length: callers }, get))
  return performance.now() - began
}

/** Gives the token of the round before time to expire. */
const expired = (expiresAt: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, expiresAt - Date.now()) + 5))

/**
 * Ends the token's life in the store, and gives every process time to forget what it has in memory. A token of a few seconds would not
 * do: the last ones of a slow herd find it in its advisory window, in which they begin the next refresh.
 */
async function endLife({ store, clock, timing }: Keeper): Promise<void> {
  await store.update('billing', (record) => {
    if (record === undefined) throw new Error('the herd has no grant')
    const tokens = record.tokens.map((token) => ({ ...token, expiresAt: clock.now() }))
    return { result: undefined, record: { ...record, tokens } }
  })
  await clock.sleep(timing.revalidate + 50)
}

const form = 'grant_type=client_credentials'

interface Herd {
  readonly name: string
  /** Where its requests are counted. */
  readonly endpoint: TokenEndpoint
  /** Makes the present token an expired one. */
  readonly expire: () => Promise<void>
  readonly get: () => Promise<unknown>
}

function peers(endpoint: TokenEndpoint): Herd[] {
  const { url } = endpoint
  const gone = Date.now() - 1_000
  let badgatewayFetch: OAuth2Fetch
  let googleClient: GoogleClient
  let msalApplication: ReturnType<typeof msalClient>
  const axiosGet = axiosClientCredentials(axios.create(), url, 'bench', 'bench')
  let simpleToken: ReturnType<AuthorizationCode['createToken']>
  const { origin, pathname } = new URL(url)
  const simpleClient = new AuthorizationCode({
    client: { id: 'bench', secret: 'bench' },
    auth: { tokenHost: origin, tokenPath: pathname },
  })
  return [
    {
      name: badgateway,
      endpoint,
      expire: async () => {
        const client = new OAuth2Client({ clientId: 'bench', clientSecret: 'bench', tokenEndpoint: url })
        const stored = { accessToken: 'old', expiresAt: gone, refreshToken: 'rt' }
        badgatewayFetch = new OAuth2Fetch({
          client,
          getNewToken: () => client.clientCredentials(),
          getStoredToken: () => stored,
          scheduleRefresh: false,
        })
        // Its stored token is there only after a turn.
        await new Promise(setImmediate)
      },
      get: () => badgatewayFetch.getToken(),
    },
    {
      name: google,
      endpoint,
      expire: async () => {
        googleClient = new GoogleClient({
          clientId: 'bench',
          clientSecret: 'bench',
          endpoints: { oauth2TokenUrl: url },
        })
        googleClient.setCredentials({ access_token: 'old', refresh_token: 'rt', expiry_date: gone })
      },
      get: () => googleClient.getAccessToken(),
    },
    {
      name: simple,
      endpoint,
      expire: async () => {
        simpleToken = simpleClient.createToken({
          access_token: 'old',
          refresh_token: 'rt',
          expires_at: new Date(gone).toISOString(),
        })
      },
      get: async () => {
        if (simpleToken.expired()) simpleToken = await simpleToken.refresh()
        return simpleToken.token
      },
    },
    {
      name: msal,
      endpoint,
      expire: async () => {
        msalApplication = msalClient(
          async () => (await (await fetch(url, { method: 'POST', body: form })).json()) as object,
        )
      },
      get: () => msalApplication.getToken(),
    },
    { name: axiosClient, endpoint, expire: async () => undefined, get: () => axiosGet('') },
  ]
}

/** Requests that a contender made in each round that counts. */
type Requests = Map<string, number[]>

function contender(herd: Herd, callers: number, requests: Requests): Contender {
  return {
    name: herd.name,
    run: async () => {
      await herd.expire()
      await herd.endpoint.count()
      const ms = await herdOf(callers, herd.get)
      requests.set(herd.name, [...(requests.get(herd.name) ?? []), await herd.endpoint.count()])
      return ms
    },
  }
}

/**
 * The children wait with their stores open; all are told at once to read. Each has refreshed before, as most have that run for hours: the
 * first refresh of a process loads what it needs, which is another question than what a herd takes.
 */
async function startHerdProcesses(count: number, place: StorePlace, callers: number) {
  const each = Math.ceil(callers / count)
  const children: ChildProcess[] = Array.from({ length: count }, () =>
    fork(new URL('./herd-process.ts', import.meta.url), [JSON.stringify(place), String(each)]),
  )
  const all = (): Promise<unknown> => Promise.all(children.map((child) => once(child, 'message')))
  await all()
  for (const child of children) {
    child.send('refresh')
    await once(child, 'message')
  }
  return {
    /** Milliseconds from the word until the last process has all its answers. */
    async read(): Promise<number> {
      const answers = all()
      const began = performance.now()
      for (const child of children) child.send('read')
      await answers
      return performance.now() - began
    },
    async [Symbol.asyncDispose]() {
      const gone = Promise.all(children.map((child) => once(child, 'exit')))
      for (const child of children) child.disconnect()
      await gone
    },
  }
}

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const callers = quick ? 50 : 1_000
  const processes = quick ? 2 : 16
  await using places = await startPlaces()
  await using shortLived = await startTokenEndpoint({ latency, lifetime: quick ? quickLife : shortLife })
  await using endpoint = await startTokenEndpoint({ latency, lifetime: longLife })
  using client = new BareClient(endpoint.url, 64)
  await using opening = new AsyncDisposableStack()
  const service = { tokenUrl: endpoint.url, clientId: 'bench', clientSecret: 'bench' }
  const definition = clientCredentials(service)
  const keeperAt = async (place: StorePlace, grant = definition): Promise<Keeper> => {
    const keeper = opening.use(await Keeper.open({ store: opened(place) }))
    await keeper.add('billing', grant)
    return keeper
  }
  const keeper = await keeperAt(await places.make('sqlite'))
  // What the other process sends is counted by an endpoint of its own.
  await using elsewhere = await startTokenEndpoint({ latency: 0, lifetime: 4 })
  const sharedPlace = await places.make('sqlite')
  if (sharedPlace.kind !== 'sqlite') throw new TypeError('this place is to be a file')
  // Left to its readers: ahead of expiry the other process would see to it that there is no herd.
  const beside = await keeperAt(sharedPlace, clientCredentials({ ...service, refresh: 'on_demand' }))
  await using _refresher = await startRefresher(sharedPlace.file, elsewhere.url, 'busy', quick ? 5 : 50)
  await using unstored = tokenSource(clientCredentials({ ...service, tokenUrl: shortLived.url }))

  let flight: Promise<unknown> | undefined
  const herds: Herd[] = [
    {
      name: singleFlight,
      endpoint,
      expire: async () => {
        flight = undefined
      },
      get: async () => {
        flight ??= client.send(form)
        return flight
      },
    },
    {
      name: source,
      endpoint: shortLived,
      expire: async () => expired((await unstored.getToken()).expiresAt),
      get: () => unstored.getToken(),
    },
    {
      name: keeperOnFile,
      endpoint,
      expire: () => endLife(keeper),
      get: () => keeper.getToken('billing'),
    },
    {
      name: keeperBeside,
      endpoint,
      expire: () => endLife(beside),
      get: () => beside.getToken('billing'),
    },
    ...peers(endpoint),
  ]
  const requests: Requests = new Map()
  const contenders: Contender[] = [
    {
      name: bare,
      run: () => herdOf(1, () => client.send(form)),
    },
    ...herds.map((herd) => contender(herd, callers, requests)),
  ]
  for (const kind of places.kinds) {
    const place = await places.make(kind)
    const shared = await keeperAt(place)
    await shared.getToken('billing')
    const children = opening.use(await startHerdProcesses(processes, place, callers))
    const name = manyProcesses(kind)
    contenders.push({
      name,
      run: async () => {
        await endLife(shared)
        await endpoint.count()
        const ms = await children.read()
        requests.set(name, [...(requests.get(name) ?? []), await endpoint.count()])
        return ms
      },
    })
  }
  const samples = await interleaved(contenders, rounds ?? (quick ? 1 : 9), progress)
  const counted = (name: string): Spread => spread(requests.get(name) ?? [1])
  const most = (name: string): Spread => {
    const { min, max } = counted(name)
    return { median: Math.max(max, 2 - min), min, max }
  }
  const goals = (name: string, end: string, times: number, who: string) => [
    {
      question: `herd${end}/requests`,
      what: `requests of ${who}, the worst round`,
      figure: most(name),
      goal: 1,
      unit: 'requests' as const,
      digits: 0,
    },
    {
      question: `herd${end}`,
      what: `time until all of ${who} have the token, over one bare request`,
      figure: samples.ratio(name, bare),
      goal: times,
      unit: 'x' as const,
      digits: 3,
    },
  ]
  return {
    table: [
      ['client', 'requests', 'ms until all are answered', 'over one bare request', 'ours over it'],
      ...contenders.map(({ name }) => [
        name,
        shown(counted(name)),
        shown(samples.of(name)),
        shown(samples.ratio(name, bare), 2),
        /^(evertoken|limit)/.test(name) ? '' : shown(samples.ratio(keeperBeside, name), 2),
      ]),
    ],
    notes: [
      `${callers} callers at expiry; the endpoint, a process of its own, answers after ${latency} ms; the last rows are ${processes} processes with ${Math.ceil(callers / processes)} callers each`,
    ],
    findings: [
      ...goals(keeperOnFile, '', 1.05, `${callers} callers of a Keeper on SQLite`),
      ...goals(source, '/source', 1.05, `${callers} callers of a tokenSource`),
      ...places.kinds.flatMap((kind) =>
        goals(
          manyProcesses(kind),
          `/processes/${kind}`,
          2,
          `${callers} callers in ${processes} processes on one ${storeNames[kind]} store`,
        ),
      ),
    ],
  }
}

export const herd: Question = {
  about: 'a token expires and everybody asks: how many requests, and how long until all have the new one?',
  run,
}
