import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  fingerprint,
  historyOf,
  isLive,
  type LoginHistory,
  liveRefreshTokens,
  loginHistories,
  overlaps,
  type PracticeServer,
  type PracticeServerOptions,
  readTruthFile,
  refreshesDone,
  refreshRequests,
  startPracticeServer,
} from '../src/practice-server.ts'
import { asks, login, post, refresh, tokensOf } from './requests.ts'

let now: number
beforeEach(() => {
  now = 1_800_000_000_000
})

async function start(options: PracticeServerOptions = {}): Promise<PracticeServer> {
  const server = await startPracticeServer({ now: () => now, ...options })
  onTestFinished(() => server.stop())
  return server
}

function historyFor(server: PracticeServer, refreshToken: string): LoginHistory {
  const found = historyOf(loginHistories(server.truth), fingerprint(refreshToken))
  if (found === undefined) throw new Error('the login has no history')
  return found
}

const live = (history: LoginHistory) => liveRefreshTokens(history)

test('a login is put together from its consent to its newest token, apart from its neighbours', async () => {
  const server = await start()
  const first = await login(server, 'ann')
  const other = await login(server, 'bob')
  now += 1_000
  const second = tokensOf(await refresh(server, first.refresh))
  await expect.poll(() => server.truth.at(-1)?.type).toBe('answered')
  const history = historyFor(server, first.refresh)
  expect(history.requests).toMatchObject([
    { presented: undefined, refreshToken: fingerprint(first.refresh), delivery: 'whole', outcome: 'issued' },
    {
      presented: fingerprint(first.refresh),
      refreshToken: fingerprint(second.refresh),
      receivedAt: now,
      processedAt: now,
      answeredAt: now,
      repeated: false,
      processedLate: false,
      killedFamily: false,
    },
  ])
  expect(live(history)).toEqual([fingerprint(second.refresh)])
  expect(isLive(history, fingerprint(first.refresh))).toBe(false)
  expect(isLive(history, fingerprint(first.refresh), history.requests[1]?.from)).toBe(true)
  expect(history.refreshTokens.get(fingerprint(first.refresh))).toMatchObject({ consumedAt: now })
  expect([refreshRequests(history).length, refreshesDone(history)]).toEqual([1, 1])
  expect(history.ended).toBeUndefined()
  expect(historyFor(server, other.refresh).requests.length).toBe(1)
  expect(historyOf(loginHistories(server.truth), fingerprint('unknown'))).toBeUndefined()
})

describe('what is live agrees with introspection', () => {
  test.each(['strict', 'none', 'idempotent', 'last_child_wins', 'fork'] as const)('%s', async (rotation) => {
    const server = await start({ rotation })
    const first = await login(server)
    const tokens = [first.refresh]
    const next = async (token: string) => {
      const { json } = await refresh(server, token)
      if (json.refresh_token !== undefined) tokens.push(String(json.refresh_token))
    }
    const alive = () => [...new Set(tokens)].filter((token) => server.introspect(token).active)
    const check = () => expect(live(historyFor(server, first.refresh))).toEqual(alive().map(fingerprint))
    await next(first.refresh)
    check()
    await next(first.refresh)
    check()
    await next(tokens.at(-1) ?? '')
    check()
    now += 60_000
    await next(first.refresh)
    check()
    expect(alive().length).toBe(rotation === 'none' ? 1 : 0)
  })
})

test('requests beyond the refreshes that were done are extra, and a repeated answer is not a refresh', async () => {
  const windowed = await start({ rotation: 'idempotent' })
  const first = await login(windowed)
  const second = tokensOf(await refresh(windowed, first.refresh))
  await refresh(windowed, first.refresh)
  await refresh(windowed, second.refresh)
  const history = historyFor(windowed, first.refresh)
  expect([refreshRequests(history).length, refreshesDone(history)]).toEqual([3, 2])
  expect(history.requests.map(({ repeated }) => repeated)).toEqual([false, false, true, false])

  const keeping = await start({ rotation: 'none' })
  const kept = await login(keeping)
  for (let round = 0; round < 3; round++) await refresh(keeping, kept.refresh)
  keeping.fault({ kind: 'fail_before', status: 503 })
  await refresh(keeping, kept.refresh)
  const steady = historyFor(keeping, kept.refresh)
  expect([refreshRequests(steady).length, refreshesDone(steady)]).toEqual([4, 3])
})

test('two requests that the server had at once overlap, also when the client of one has gone', async () => {
  const server = await start({ rotation: 'fork' })
  const first = await login(server)
  expect(overlaps(historyFor(server, first.refresh))).toEqual([])
  server.fault({ kind: 'hold_request', ms: 3_600_000 })
  const leaving = new AbortController()
  const body = new URLSearchParams({
    grant_type: 'refresh_token',
    client_id: 'practice-app',
    refresh_token: first.refresh,
  })
  const headers = { 'x-practice-sender': 'early' }
  const left = fetch(server.tokenEndpoint, { method: 'POST', body, headers, signal: leaving.signal }).catch(
    () => 'left',
  )
  await expect.poll(() => server.requests.at(-1)?.fault).toBe('hold_request')
  await refresh(server, first.refresh)
  leaving.abort()
  await left
  await expect.poll(() => server.truth.at(-1)).toMatchObject({ delivery: 'client_gone' })
  const pairs = overlaps(historyFor(server, first.refresh))
  expect(pairs.map((pair) => pair.map(({ sender }) => sender))).toEqual([['early', undefined]])
  await refresh(server, first.refresh)
  expect(overlaps(historyFor(server, first.refresh)).length).toBe(1)
})

test('an access token dies by age, by its successor where that is so, and with its login', async () => {
  const server = await start({ oldTokenDies: true })
  const first = await login(server)
  now += 5_000
  const second = tokensOf(await refresh(server, first.refresh))
  expect((await asks(server, first.access)).status).toBe(401)
  expect((await asks(server, second.access)).status).toBe(200)
  const died = (access: string) =>
    historyFor(server, first.refresh).accessTokens.get(fingerprint(access))?.diedAt
  expect([died(first.access), died(second.access)]).toEqual([now, now + 300_000])
  now += 5_000
  server.revokeFamily(second.refresh)
  expect(died(second.access)).toBe(now)
  expect(historyFor(server, first.refresh).ended).toMatchObject({ by: 'administrator', at: now })
})

test('a revocation by the client ends the login', async () => {
  const server = await start()
  const { refresh: token } = await login(server)
  await post(server, { token, client_id: 'practice-app' }, {}, '/revoke')
  const history = historyFor(server, token)
  expect(history.ended).toMatchObject({ by: 'client' })
  expect(live(history)).toEqual([])
  expect(history.requests.length).toBe(1)
})

test('the file of a server that was stopped in the middle of a request tells the rest', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [truthFile, stateFile] = [join(folder, 'truth.jsonl'), join(folder, 'state.jsonl')]
  const before = await start({ truthFile, stateFile })
  const first = await login(before)
  before.fault({ kind: 'hold_answer', ms: 3_600_000 })
  const broken = refresh(before, first.refresh).catch(() => 'broken')
  await expect.poll(() => before.truth.at(-1)?.type).toBe('processed')
  await before.stop()
  expect(await broken).toBe('broken')
  const after = await start({ truthFile, stateFile })
  await refresh(after, first.refresh)
  const history = historyOf(loginHistories(readTruthFile(truthFile)), fingerprint(first.refresh))
  expect(history?.requests).toMatchObject([
    { run: 1, delivery: 'whole' },
    { run: 1, outcome: 'issued' },
    { run: 2, number: 1, killedFamily: true },
  ])
  expect(history?.requests[1]?.delivery).not.toBe('whole')
  expect(history?.ended).toMatchObject({ by: 'family_kill', request: { run: 2 } })
})
