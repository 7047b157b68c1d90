import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import {
  fingerprint,
  type PracticeServer,
  type PracticeServerOptions,
  startPracticeServer,
} from '../src/practice-server.ts'
import { TruthLog } from '../src/truth-log.ts'
import { login, refresh, tokensOf } from './requests.ts'

async function start(options: PracticeServerOptions): Promise<PracticeServer> {
  const server = await startPracticeServer({ now: () => 5_000, ...options })
  onTestFinished(() => server.stop())
  return server
}

/** The facts of one request, without when they were. */
const factsOf = (server: PracticeServer, request: number) =>
  server.truth.filter((entry) => entry.request === request).map(({ at, run, request: _, ...fact }) => fact)

const count = (server: PracticeServer): number => server.requests.length

test('a refresh that goes well is received, consumed, issued, processed and answered', async () => {
  const server = await start({})
  const first = await login(server)
  const second = tokensOf(await refresh(server, first.refresh, undefined, 'ann-1'))
  await expect.poll(() => server.truth.at(-1)?.type).toBe('answered')
  expect(factsOf(server, count(server))).toEqual([
    { type: 'received', refreshToken: fingerprint(first.refresh), sender: 'ann-1' },
    { type: 'consumed', refreshToken: fingerprint(first.refresh) },
    {
      type: 'issued',
      login: server.requests.at(-1)?.login,
      expiresAt: 305_000,
      accessToken: fingerprint(second.access),
      refreshToken: fingerprint(second.refresh),
      parent: fingerprint(first.refresh),
    },
    { type: 'processed', outcome: 'issued', status: 200 },
    { type: 'answered', delivery: 'whole' },
  ])
  expect(await (await fetch(`${server.url}/practice/truth`)).json()).toEqual(
    JSON.parse(JSON.stringify(server.truth)),
  )
})

test('a killed family and a repeated answer are told apart from new tokens', async () => {
  const strict = await start({})
  const used = await login(strict)
  await refresh(strict, used.refresh)
  await refresh(strict, used.refresh)
  expect(factsOf(strict, count(strict))).toContainEqual({
    type: 'family_killed',
    login: strict.requests.at(-1)?.login,
    refreshToken: fingerprint(used.refresh),
  })
  const idempotent = await start({ rotation: 'idempotent' })
  const parent = await login(idempotent)
  const child = tokensOf(await refresh(idempotent, parent.refresh))
  await refresh(idempotent, parent.refresh)
  const types = factsOf(idempotent, count(idempotent)).map(({ type }) => type)
  expect(types.slice(0, 3)).toEqual(['received', 'repeated', 'processed'])
  expect(factsOf(idempotent, count(idempotent))).toContainEqual({
    type: 'repeated',
    login: idempotent.requests.at(-1)?.login,
    accessToken: fingerprint(child.access),
    refreshToken: fingerprint(child.refresh),
  })
})

test('a client that leaves and a connection that the server ends are not the same', async () => {
  const server = await start({ respond: ({ parameters }) => (parameters.scope === 'x' ? 'close' : 'hang') })
  await expect(refresh(server, 'a', 'x')).rejects.toThrow('fetch failed')
  const leaving = new AbortController()
  const left = fetch(server.tokenEndpoint, {
    method: 'POST',
    body: new URLSearchParams({ refresh_token: 'a' }),
    signal: leaving.signal,
  }).catch(() => 'left')
  await expect.poll(() => factsOf(server, 2).length).toBe(1)
  leaving.abort()
  expect(await left).toBe('left')
  await expect.poll(() => factsOf(server, 2).length).toBe(2)
  const received = { type: 'received', refreshToken: fingerprint('a') }
  expect(factsOf(server, 1)).toEqual([received, { type: 'answered', delivery: 'cut' }])
  expect(factsOf(server, 2)).toEqual([received, { type: 'answered', delivery: 'client_gone' }])
})

test('with a file the truth goes on after a restart, without a token in it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const truthFile = join(folder, 'truth.jsonl')
  const before = await start({ truthFile })
  await login(before)
  await before.stop()
  const after = await start({ truthFile })
  await login(after)
  expect(after.truth.slice(0, before.truth.length)).toEqual(JSON.parse(JSON.stringify(before.truth)))
  expect(new Set(after.truth.map(({ run }) => run))).toEqual(new Set([1, 2]))
  expect(JSON.stringify(after.truth)).not.toContain('practice_')
})

test('in memory the oldest facts are forgotten beyond the limit', () => {
  const log = new TruthLog(undefined, () => 0, 10)
  for (let request = 1; request <= 100; request++) log.of(request)({ type: 'answered', delivery: 'whole' })
  const kept = log.all().map(({ request }) => request)
  expect(kept.at(-1)).toBe(100)
  expect(kept.length).toBeLessThanOrEqual(11)
  expect(kept[0]).toBe(101 - kept.length)
})
