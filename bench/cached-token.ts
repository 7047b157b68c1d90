import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client'
import { clientCredentials, Keeper, type Transport, tokenSource } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { OAuth2Client as GoogleClient } from 'google-auth-library'
import { AuthorizationCode } from 'simple-oauth2'
import { msalClient } from './msal-client.ts'
import type { BenchOptions, Question, Report } from './question.ts'
import { shown } from './question.ts'
import { startRefresher } from './refresher.ts'
import { type Contender, interleaved, type Samples, timed } from './rounds.ts'
import { startTokenEndpoint } from './token-endpoint.ts'

/** The grant that the other process refreshes all the time. */
const busy = 'billing'
const text = `at-1-${'x'.repeat(800)}`
const hour = 3_600_000

const limit = 'limit: async function, clock'
const limitOne = 'limit: async, clock, Map, one key'
const limitAll = 'limit: async, clock, Map, all keys'
const limitSync = 'limit: function, clock'
const limitSyncOne = 'limit: function, clock, Map, one key'
const one = 'evertoken keeper.getToken, one grant'
const all = 'evertoken keeper.getToken, all grants'
const peek = 'evertoken keeper.peekToken'
const source = 'evertoken tokenSource.getToken'
const sourcePeek = 'evertoken tokenSource.peekToken'
const simple = 'simple-oauth2 expired(60) and token'
const badgateway = '@badgateway getToken'
const google = 'google-auth-library getAccessToken'
const msal = '@azure/msal-node acquireTokenByClientCredential'

/** What is added up here cannot be left out by the compiler. */
let _seen = 0

/** An hour's token without a network, to fill the store with. */
const stub: Transport = async () => ({
  status: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ access_token: text, token_type: 'Bearer', expires_in: 3600 }),
})

const definition = clientCredentials({
  tokenUrl: 'http://127.0.0.1:1/token',
  clientId: 'bench',
  clientSecret: 'bench',
})

async function fill(file: string, ids: readonly string[]): Promise<void> {
  await using keeper = await Keeper.open({ store: sqliteStore(file), transport: stub })
  for (let at = 0; at < ids.length; at += 500) {
    const some = ids.slice(at, at + 500)
    await Promise.all(some.map((id) => keeper.add(id, definition)))
    await Promise.all(some.map((id) => keeper.getToken(id)))
  }
}

function limits(ids: readonly string[], ms: number, long: number): Contender[] {
  // Each its own text, as tokens are: one that all share stays in the processor's cache, however many grants there are.
  const newEntry = () => ({ token: { value: Buffer.from(text).toString() }, expiresAt: Date.now() + hour })
  const expired = (): never => {
    throw new Error('the token of the limit has expired')
  }
  const entry = newEntry()
  const map = new Map([...ids, busy].map((id) => [id, newEntry()]))
  const mapForAll = new Map([...ids, busy].map((id) => [id, newEntry()]))
  const mapForSync = new Map([...ids, busy].map((id) => [id, newEntry()]))
  const count = ids.length

  const unkeyed = async () => (Date.now() < entry.expiresAt ? entry.token : expired())
  const keyed = async (id: string) => {
    const held = map.get(id)
    return held !== undefined && Date.now() < held.expiresAt ? held.token : expired()
  }
  const keyedForAll = async (id: string) => {
    const held = mapForAll.get(id)
    return held !== undefined && Date.now() < held.expiresAt ? held.token : expired()
  }
  const sync = () => (Date.now() < entry.expiresAt ? entry.token : expired())
  const syncKeyed = (id: string) => {
    const held = mapForSync.get(id)
    return held !== undefined && Date.now() < held.expiresAt ? held.token : expired()
  }
  return [
    {
      name: limit,
      run: () =>
        timed(async (n) => {
          for (let i = 0; i < n; i++) _seen += (await unkeyed()).value.length
        }, ms),
    },
    {
      name: limitOne,
      run: () =>
        timed(async (n) => {
          for (let i = 0; i < n; i++) _seen += (await keyed(busy)).value.length
        }, ms),
    },
    {
      name: limitAll,
      run: () =>
        timed(async (n) => {
          for (let i = 0; i < n; i++) _seen += (await keyedForAll(ids[i % count] as string)).value.length
        }, long),
    },
    {
      name: limitSync,
      run: () =>
        timed((n) => {
          for (let i = 0; i < n; i++) _seen += sync().value.length
        }, ms),
    },
    {
      name: limitSyncOne,
      run: () =>
        timed((n) => {
          for (let i = 0; i < n; i++) _seen += syncKeyed(busy).value.length
        }, ms),
    },
  ]
}

function peers(ms: number): Contender[] {
  const badgatewayFetch = new OAuth2Fetch({
    client: new OAuth2Client({ clientId: 'bench', tokenEndpoint: 'http://127.0.0.1:1/token' }),
    getNewToken: () => ({ accessToken: text, expiresAt: Date.now() + hour, refreshToken: null }),
    scheduleRefresh: false,
  })
  const googleClient = new GoogleClient({ clientId: 'bench' })
  googleClient.setCredentials({ access_token: text, refresh_token: 'rt', expiry_date: Date.now() + hour })
  const simpleToken = new AuthorizationCode({
    client: { id: 'bench', secret: 'bench' },
    auth: { tokenHost: 'http://127.0.0.1:1', tokenPath: '/token' },
  }).createToken({ access_token: text, expires_in: 3600 })
  const msalCached = msalClient(async () => ({ access_token: text, token_type: 'Bearer', expires_in: 3600 }))
  return [
    {
      name: simple,
      run: () =>
        timed((n) => {
          for (let i = 0; i < n; i++)
            if (!simpleToken.expired(60)) _seen += simpleToken.token.access_token.length
        }, ms),
    },
    {
      name: badgateway,
      run: () =>
        timed(async (n) => {
          for (let i = 0; i < n; i++) _seen += (await badgatewayFetch.getToken()).accessToken.length
        }, ms),
    },
    {
      name: google,
      run: () =>
        timed(async (n) => {
          for (let i = 0; i < n; i++) _seen += (await googleClient.getAccessToken()).token?.length ?? 0
        }, ms),
    },
    {
      name: msal,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) _seen += (await msalCached.getToken()).length
          },
          ms,
          // It takes some hundred times as long, and a batch is not to last for seconds.
          100,
        ),
    },
  ]
}

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const ids = Array.from({ length: quick ? 200 : 10_000 }, (_, index) => `grant-${index}`)
  const others = quick ? 5 : 50
  // Short slices and many rounds: what else the machine does changes little within a round.
  const ms = quick ? 20 : 50
  // One revalidation interval: after a first look at each, every grant is asked about once, as it would be for ever.
  const long = quick ? 20 : 1_000
  const count = ids.length
  const folder = await mkdtemp(path.join(tmpdir(), 'evertoken-bench-'))
  try {
    const file = path.join(folder, 'tokens.db')
    progress(`filling a store with ${count} grants`)
    await fill(file, ids)
    await using endpoint = await startTokenEndpoint({ latency: 0, lifetime: 4 })
    await using refresher = await startRefresher(file, endpoint.url, busy, others)
    await using keeper = await Keeper.open({ store: sqliteStore(file) })
    await using unstored = tokenSource(definition, { transport: stub })
    const ours: Contender[] = [
      {
        name: one,
        run: () =>
          timed(async (n) => {
            for (let i = 0; i < n; i++) _seen += (await keeper.getToken(busy)).value.length
          }, ms),
      },
      {
        name: all,
        run: () =>
          timed(async (n) => {
            for (let i = 0; i < n; i++)
              _seen += (await keeper.getToken(ids[i % count] as string)).value.length
          }, long),
      },
      {
        name: peek,
        run: () =>
          timed(async (n) => {
            for (let i = 0; i < n; i++)
              _seen += (keeper.peekToken(busy) ?? (await keeper.getToken(busy))).value.length
          }, ms),
      },
      {
        name: source,
        run: () =>
          timed(async (n) => {
            for (let i = 0; i < n; i++) _seen += (await unstored.getToken()).value.length
          }, ms),
      },
      {
        name: sourcePeek,
        run: () =>
          timed(async (n) => {
            for (let i = 0; i < n; i++)
              _seen += (unstored.peekToken() ?? (await unstored.getToken())).value.length
          }, ms),
      },
    ]
    const contenders = [...limits(ids, ms, long), ...ours, ...peers(ms)]
    const slow = (name: string) => name === limitAll || name === all
    await refresher.refreshes()
    const began = Date.now()
    const samples = await interleaved(
      contenders.filter(({ name }) => !slow(name)),
      rounds ?? (quick ? 2 : 41),
      progress,
    )
    const samplesOfAll = await interleaved(
      contenders.filter(({ name }) => slow(name)),
      rounds ?? (quick ? 2 : 11),
      progress,
    )
    const refreshes = await refresher.refreshes()
    const seconds = (Date.now() - began) / 1000
    return report(samples.and(samplesOfAll), contenders, count, refreshes, seconds)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function report(
  samples: Samples,
  contenders: readonly Contender[],
  count: number,
  refreshes: { all: number; busy: number },
  seconds: number,
): Report {
  const own: Readonly<Record<string, string>> = {
    [limitSync]: limitSync,
    [limitSyncOne]: limitSync,
    [limitAll]: limitAll,
    [one]: limitOne,
    [all]: limitAll,
    [peek]: limitSyncOne,
    [sourcePeek]: limitSync,
    [simple]: limitSync,
  }
  // What does the same: a synchronous look, or a token that is awaited.
  const oursFor: Readonly<Record<string, string>> = {
    [simple]: peek,
    [badgateway]: one,
    [google]: one,
    [msal]: one,
  }
  const question = 'cached-token'
  return {
    table: [
      ['path', 'ns', 'ratio', 'to', 'ours over it'],
      ...contenders.map(({ name }) => {
        const to = own[name] ?? limit
        const ours = oursFor[name]
        return [
          name,
          shown(samples.of(name)),
          shown(samples.ratio(name, to), 2),
          to,
          ours === undefined ? '' : shown(samples.ratio(ours, name), 3),
        ]
      }),
    ],
    notes: [
      `Map and store of ${count} grants; meanwhile another process refreshed ${(refreshes.all / seconds).toFixed(0)} grants a second on the same file, ${busy} ${refreshes.busy} times in ${seconds.toFixed(0)} s`,
    ],
    findings: [
      {
        question,
        what: 'keeper.getToken of one grant, over an async function with clock and Map',
        figure: samples.ratio(one, limitOne),
        goal: 1.25,
        unit: 'x',
      },
      {
        question: `${question}/all`,
        what: `the same over all ${count} grants in turn, each asked about again every second`,
        figure: samples.ratio(all, limitAll),
        goal: 1.25,
        unit: 'x',
      },
      {
        question: `${question}/source`,
        what: 'tokenSource.getToken, over an async function with clock',
        figure: samples.ratio(source, limit),
        goal: 1.1,
        unit: 'x',
      },
      {
        question: `${question}/peek`,
        what: 'keeper.peekToken, over a function with clock and Map',
        figure: samples.ratio(peek, limitSyncOne),
        goal: 1.15,
        unit: 'x',
      },
      {
        question: `${question}/source-peek`,
        what: 'tokenSource.peekToken, over a function with clock',
        figure: samples.ratio(sourcePeek, limitSync),
        goal: 1.15,
        unit: 'x',
      },
      ...[badgateway, google].map((peer) => ({
        question: `${question}/${peer.split(/[ @]/).find(Boolean)}`,
        what: `keeper.getToken by id, over ${peer} of one client object`,
        figure: samples.ratio(one, peer),
        goal: 1,
        unit: 'x' as const,
      })),
    ],
  }
}

export const cachedToken: Question = {
  about:
    'what does a token cost that is in memory already, while another process refreshes on the same file?',
  run,
}
