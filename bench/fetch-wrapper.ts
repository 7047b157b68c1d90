import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { OAuth2Client, OAuth2Fetch } from '@badgateway/oauth2-client'
import { authorizedFetch, clientCredentials, Keeper, tokenSource } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { OAuth2Client as GoogleClient } from 'google-auth-library'
import { type BenchOptions, type Question, type Report, shown } from './question.ts'
import { startRefresher } from './refresher.ts'
import { type Contender, interleaved, timed } from './rounds.ts'
import { startTokenEndpoint } from './token-endpoint.ts'

const url = 'https://api.example.com/users/23'
const text = `at-1-${'x'.repeat(800)}`
const hour = 3_600_000

const stub = 'limit: the stub alone'
const handwritten = 'limit: written by hand, plain object'
const stubRequest = 'limit: the stub with a new Request'
const newHeaders = 'limit: new Headers by hand, Request'
const plain = 'evertoken authorizedFetch, plain object'
const bare = 'evertoken authorizedFetch, no init'
const bounded = 'evertoken authorizedFetch with origins, plain object with a signal'
const request = 'evertoken authorizedFetch, Request'
const kept = 'evertoken authorizedFetch of a Keeper on SQLite, plain object'
const badgatewayPlain = '@badgateway OAuth2Fetch, plain object'
const badgatewayRequest = '@badgateway OAuth2Fetch, Request'
const google = 'google-auth-library OAuth2Client.request'

const answer = new Response(null, { status: 204 })
let sent = 0

/** Stands where the network would: what is measured is the wrapper and nothing else. */
const stubbed = (async () => {
  sent += 1
  return answer
}) as typeof fetch

const init = () => ({ method: 'GET', headers: { accept: 'application/json', 'x-request-id': '23' } })

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const ms = quick ? 20 : 50
  const size = quick ? 100 : 1_000
  const fetchBefore = globalThis.fetch
  // @badgateway's wrapper calls the global fetch and can be given no other.
  const folder = await mkdtemp(path.join(tmpdir(), 'evertoken-bench-'))
  try {
    const file = path.join(folder, 'tokens.db')
    await using endpoint = await startTokenEndpoint({ latency: 0, lifetime: 4 })
    await using refresher = await startRefresher(file, endpoint.url, 'billing', quick ? 5 : 50)
    await using keeper = await Keeper.open({ store: sqliteStore(file) })
    globalThis.fetch = stubbed
    await using source = tokenSource(
      clientCredentials({ tokenUrl: 'http://127.0.0.1:1/token', clientId: 'bench', clientSecret: 'bench' }),
      {
        transport: async () => ({
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ access_token: text, token_type: 'Bearer', expires_in: 3600 }),
        }),
      },
    )
    const contenders = measured(ms, size, {
      unstored: authorizedFetch(source, { fetch: stubbed }),
      limited: authorizedFetch(source, { fetch: stubbed, origins: [new URL(url).origin] }),
      kept: authorizedFetch(keeper.source('billing'), { fetch: stubbed }),
    })
    await refresher.refreshes()
    const began = Date.now()
    const samples = await interleaved(contenders, rounds ?? (quick ? 2 : 41), progress)
    const refreshes = await refresher.refreshes()
    const seconds = (Date.now() - began) / 1000
    const alone = (name: string) => (name.endsWith('Request') ? stubRequest : stub)
    const added = (name: string) =>
      samples.combined(name, alone(name), (wrapped, unwrapped) => (wrapped - unwrapped) / 1000)
    return {
      table: [
        ['path', 'ns', 'µs added to the stub', 'times the stub', 'ours over it'],
        ...contenders.map(({ name }) => {
          const ours = oursFor[name]
          return [
            name,
            shown(samples.of(name)),
            shown(added(name), 2),
            shown(samples.ratio(name, alone(name)), 1),
            ours === undefined ? '' : shown(samples.ratio(ours, name), 2),
          ]
        }),
      ],
      notes: [
        `a stubbed fetch was called ${sent} times; ours over a peer counts the stub in both`,
        `meanwhile another process refreshed ${(refreshes.all / seconds).toFixed(0)} grants a second on the file of the Keeper, its grant ${refreshes.busy} times in ${seconds.toFixed(0)} s`,
      ],
      findings: [
        {
          question: 'fetch-wrapper',
          what: 'what authorizedFetch adds to a fetch with a plain-object init',
          figure: added(plain),
          goal: 0.3,
          unit: 'µs added',
        },
        {
          question: 'fetch-wrapper/request',
          what: 'what authorizedFetch adds to a fetch of a Request',
          figure: added(request),
          goal: 4.5,
          unit: 'µs added',
        },
        {
          question: 'fetch-wrapper/badgateway',
          what: 'ours over @badgateway OAuth2Fetch, plain object, stub included',
          figure: samples.ratio(plain, badgatewayPlain),
          goal: 1,
          unit: 'x',
        },
        {
          question: 'fetch-wrapper/badgateway-request',
          what: 'ours over @badgateway OAuth2Fetch, Request, stub included',
          figure: samples.ratio(request, badgatewayRequest),
          goal: 1,
          unit: 'x',
        },
      ],
    }
  } finally {
    globalThis.fetch = fetchBefore
    await rm(folder, { recursive: true, force: true })
  }
}

/** What does the same of ours. */
const oursFor: Readonly<Record<string, string>> = {
  [badgatewayPlain]: kept,
  [badgatewayRequest]: request,
  [google]: kept,
}

function measured(
  ms: number,
  size: number,
  {
    unstored: ours,
    limited: oursLimited,
    kept: oursKept,
  }: Readonly<Record<'unstored' | 'limited' | 'kept', typeof fetch>>,
): Contender[] {
  const { signal } = new AbortController()
  const entry = { token: { value: text }, expiresAt: Date.now() + hour }
  const cached = async () => {
    if (Date.now() < entry.expiresAt) return entry.token
    throw new Error('the token of the limit has expired')
  }
  const byHand = async (input: string, given: { method: string; headers: Record<string, string> }) => {
    const { value } = await cached()
    const response = await stubbed(input, {
      ...given,
      headers: { ...given.headers, authorization: `Bearer ${value}` },
    })
    if (response.status === 401) throw new Error('the stub refused')
    return response
  }
  const byHandRequest = async (input: Request) => {
    const { value } = await cached()
    const headers = new Headers(input.headers)
    headers.set('authorization', `Bearer ${value}`)
    const response = await stubbed(input, { headers })
    if (response.status === 401) throw new Error('the stub refused')
    return response
  }
  const peer = () =>
    new OAuth2Fetch({
      client: new OAuth2Client({ clientId: 'bench', tokenEndpoint: 'http://127.0.0.1:1/token' }),
      getNewToken: () => ({ accessToken: text, expiresAt: Date.now() + hour, refreshToken: null }),
      scheduleRefresh: false,
    })
  const peerOfPlain = peer()
  const peerOfRequest = peer()
  const googleClient = new GoogleClient({ clientId: 'bench' })
  googleClient.setCredentials({ access_token: text, refresh_token: 'rt', expiry_date: Date.now() + hour })
  // A new one each time, as in a program: whoever copies one Request again and again pays for all copies before.
  const input = () => new Request(url, init())
  return [
    {
      name: stub,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await stubbed(url, init())
          },
          ms,
          size,
        ),
    },
    {
      name: stubRequest,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await stubbed(input())
          },
          ms,
          size,
        ),
    },
    {
      name: handwritten,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await byHand(url, init())
          },
          ms,
          size,
        ),
    },
    {
      name: newHeaders,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await byHandRequest(input())
          },
          ms,
          size,
        ),
    },
    {
      name: plain,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await ours(url, init())
          },
          ms,
          size,
        ),
    },
    {
      name: bare,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await ours(url)
          },
          ms,
          size,
        ),
    },
    {
      name: bounded,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await oursLimited(url, { ...init(), signal })
          },
          ms,
          size,
        ),
    },
    {
      name: request,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await ours(input())
          },
          ms,
          size,
        ),
    },
    {
      name: kept,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await oursKept(url, init())
          },
          ms,
          size,
        ),
    },
    {
      name: badgatewayPlain,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await peerOfPlain.fetch(url, init())
          },
          ms,
          size,
        ),
    },
    {
      name: badgatewayRequest,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++) await peerOfRequest.fetch(input())
          },
          ms,
          size,
        ),
    },
    {
      name: google,
      run: () =>
        timed(
          async (n) => {
            for (let i = 0; i < n; i++)
              await googleClient.request({ url, ...init(), method: 'GET', fetchImplementation: stubbed })
          },
          ms,
          // Its answers are parsed as well, and a batch is not to last long.
          100,
        ),
    },
  ]
}

export const fetchWrapper: Question = {
  about: 'what does authorizedFetch add to a fetch? (fetch is a stub: no network)',
  run,
}
