import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  fingerprint,
  type PracticeFault,
  type PracticeServer,
  spawnPracticeServer,
  startPracticeServer,
} from '../src/practice-server.ts'
import { basic, login, post, refresh, type Tokens } from './requests.ts'

const grant = { grant_type: 'client_credentials' }
const service = basic('practice-service', 'practice-service-secret')

let server: PracticeServer
let now: number
let tokens: Tokens
beforeEach(async () => {
  now = 1_800_000_000_000
  server = await startPracticeServer({ now: () => now })
  onTestFinished(() => server.stop())
  tokens = await login(server)
})

const truthOfLast = () => server.truth.filter(({ request }) => request === server.requests.length)
const typesOfLast = () => truthOfLast().map(({ type }) => type)
const consumed = ['received', 'consumed', 'issued', 'processed', 'answered']

describe('a fault before the processing spends nothing', () => {
  test.each<[PracticeFault, number]>([
    [{ kind: 'fail_before', status: 503 }, 503],
    [{ kind: 'rate_limit', retryAfter: 'soon' }, 429],
    [{ kind: 'invalid_grant', ms: 1_000, count: 1 }, 400],
  ])('%j', async (fault, status) => {
    server.fault(fault)
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'practice-app',
      refresh_token: tokens.refresh,
    })
    const answer = await fetch(server.tokenEndpoint, { method: 'POST', body })
    expect(answer.status).toBe(status)
    expect(answer.headers.get('retry-after')).toBe(fault.kind === 'rate_limit' ? 'soon' : null)
    await answer.text()
    await expect.poll(typesOfLast).toEqual(['received', 'answered'])
    expect(server.requests.at(-1)?.fault).toBe(fault.kind)
    expect((await refresh(server, tokens.refresh)).status).toBe(200)
  })

  test('drop_request', async () => {
    server.fault({ kind: 'drop_request' })
    await expect(refresh(server, tokens.refresh)).rejects.toThrow('fetch failed')
    await expect.poll(typesOfLast).toEqual(['received', 'answered'])
    expect((await refresh(server, tokens.refresh)).status).toBe(200)
  })
})

describe('a fault after the processing has spent the token', () => {
  test('drop_answer', async () => {
    server.fault({ kind: 'drop_answer' })
    await expect(refresh(server, tokens.refresh)).rejects.toThrow('fetch failed')
    await expect.poll(typesOfLast).toEqual(consumed)
    expect(truthOfLast().at(-1)).toMatchObject({ delivery: 'cut' })
    expect(server.introspect(tokens.refresh)).toEqual({ active: false })
  })

  test('fail_after', async () => {
    server.fault({ kind: 'fail_after', status: 502 })
    expect((await refresh(server, tokens.refresh)).status).toBe(502)
    await expect.poll(typesOfLast).toEqual(consumed)
    expect(truthOfLast().at(-1)).toMatchObject({ delivery: 'replaced' })
  })

  test('replace_answer', async () => {
    const body = '<html>502 Bad Gateway</html>'
    server.fault({ kind: 'replace_answer', body, contentType: 'text/html', status: 200 })
    const form = { grant_type: 'refresh_token', client_id: 'practice-app', refresh_token: tokens.refresh }
    const answer = await fetch(server.tokenEndpoint, { method: 'POST', body: new URLSearchParams(form) })
    expect([answer.status, answer.headers.get('content-type'), await answer.text()]).toEqual([
      200,
      'text/html',
      body,
    ])
    await expect.poll(typesOfLast).toEqual(consumed)
    expect(truthOfLast().at(-1)).toMatchObject({ delivery: 'replaced' })
  })

  test.each([0, 1, 40])('cut_answer after %i bytes', async (bytes) => {
    server.fault({ kind: 'cut_answer', bytes })
    await expect(refresh(server, tokens.refresh)).rejects.toThrow()
    await expect.poll(typesOfLast).toEqual(consumed)
    expect(truthOfLast().at(-1)).toMatchObject({ delivery: 'cut' })
  })

  test('cut_answer beyond the end cuts nothing', async () => {
    server.fault({ kind: 'cut_answer', bytes: 100_000 })
    expect((await refresh(server, tokens.refresh)).status).toBe(200)
    await expect.poll(() => truthOfLast().at(-1)).toMatchObject({ delivery: 'whole' })
  })

  test('process_when_client_gone does not wait longer than it is told', async () => {
    server.fault({ kind: 'process_when_client_gone', ms: 20 })
    await expect(refresh(server, tokens.refresh)).rejects.toThrow()
    await expect.poll(typesOfLast).toEqual(['received', 'consumed', 'issued', 'processed', 'answered'])
    expect(() => server.fault({ kind: 'process_when_client_gone', ms: -1 })).toThrow(/ms must be/)
  })

  test('process_when_client_gone', async () => {
    server.fault({ kind: 'process_when_client_gone' })
    const leaving = new AbortController()
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'practice-app',
      refresh_token: tokens.refresh,
    })
    const left = fetch(server.tokenEndpoint, { method: 'POST', body, signal: leaving.signal }).catch(
      () => 'left',
    )
    await expect.poll(typesOfLast).toEqual(['received'])
    leaving.abort()
    expect(await left).toBe('left')
    await expect.poll(typesOfLast).toEqual(['received', 'answered', 'consumed', 'issued', 'processed'])
    expect(truthOfLast()).toContainEqual(expect.objectContaining({ delivery: 'client_gone' }))
    expect(truthOfLast()).toContainEqual(
      expect.objectContaining({ type: 'consumed', refreshToken: fingerprint(tokens.refresh) }),
    )
  })
})

test('a held request is not processed yet, a held answer is', async () => {
  for (const [kind, types] of [
    ['hold_request', ['received']],
    ['hold_answer', ['received', 'issued', 'processed']],
  ] as const) {
    server.fault({ kind, ms: 3_600_000 })
    const leaving = new AbortController()
    const body = new URLSearchParams(grant)
    const options = { method: 'POST', headers: service, body, signal: leaving.signal }
    const left = fetch(server.tokenEndpoint, options).catch(() => 'left')
    await expect.poll(() => server.requests.at(-1)?.fault).toBe(kind)
    await expect.poll(typesOfLast).toEqual(types)
    leaving.abort()
    await left
  }
  server.fault({ kind: 'hold_request', ms: 1 })
  expect((await post(server, grant, service)).status).toBe(200)
})

test('invalid_grant is for every request until its time is over', async () => {
  server.fault({ kind: 'invalid_grant', ms: 60_000 })
  for (let round = 0; round < 3; round++)
    expect((await refresh(server, tokens.refresh)).json.error).toBe('invalid_grant')
  now += 60_000
  expect((await refresh(server, tokens.refresh)).status).toBe(200)
})

test('date_offset shifts the Date header against the clock of the server', async () => {
  server.fault({ kind: 'date_offset', seconds: -90 })
  const { headers } = await refresh(server, tokens.refresh)
  expect(Date.parse(headers.get('date') ?? '')).toBe(now - 90_000)
})

test('faults come in their order, so often as they say, and only for their grant type', async () => {
  server.fault({ kind: 'fail_before', status: 500, grantType: 'refresh_token' })
  server.fault({ kind: 'fail_before', status: 502, count: 2 })
  const ask = async () => (await post(server, grant, service)).status
  expect([await ask(), await ask(), await ask()]).toEqual([502, 502, 200])
  expect((await refresh(server, tokens.refresh)).status).toBe(500)
  server.fault({ kind: 'fail_before', status: 500, count: 'all' })
  expect([await ask(), await ask()]).toEqual([500, 500])
  server.clearFaults()
  expect(await ask()).toBe(200)
})

test('a fault for one subject meets the refreshes of that one alone', async () => {
  const bob = await login(server, 'bob')
  server.fault({ kind: 'fail_before', status: 500, subject: 'bob', count: 2 })
  expect((await post(server, grant, service)).status).toBe(200)
  expect((await refresh(server, tokens.refresh)).status).toBe(200)
  expect((await refresh(server, bob.refresh)).status).toBe(500)
  expect((await refresh(server, 'unknown')).status).toBe(400)
  expect((await refresh(server, bob.refresh)).status).toBe(500)
  expect((await refresh(server, bob.refresh)).status).toBe(200)
})

test.each<[string | undefined, string | null]>([
  ['120', '120'],
  ['Fri, 31 Dec 1999 23:59:59 GMT', 'Fri, 31 Dec 1999 23:59:59 GMT'],
  ['-5', '-5'],
  ['1000000000', '1000000000'],
  ['', ''],
  [undefined, null],
])('Retry-After %j goes out as it is, with 429 and with 5xx', async (retryAfter, sent) => {
  server.fault({ kind: 'rate_limit', retryAfter })
  server.fault({ kind: 'fail_before', status: 503, retryAfter })
  server.fault({ kind: 'fail_after', status: 503, retryAfter })
  for (const status of [429, 503, 503]) {
    const got = await post(server, grant, service)
    expect([got.status, got.headers.get('retry-after')]).toEqual([status, sent])
  }
})

test('the same seed draws the same faults', async () => {
  const draw = async (faultSeed: number): Promise<string> => {
    const faults = [{ kind: 'fail_before', status: 500, count: 'all', probability: 0.5 }] as const
    await using drawing = await startPracticeServer({ faults, faultSeed })
    let drawn = ''
    for (let round = 0; round < 24; round++)
      drawn += (await post(drawing, grant, service)).status === 500 ? 'x' : '.'
    return drawn
  }
  const first = await draw(7)
  expect(await draw(7)).toBe(first)
  expect(await draw(8)).not.toBe(first)
  expect(first).toMatch(/x/)
  expect(first).toMatch(/\./)
})

test('a server in another process takes faults and tells the truth', async () => {
  await using child = await spawnPracticeServer({ faults: [{ kind: 'fail_before', status: 500 }] })
  await child.fault({ kind: 'fail_before', status: 501 }, { kind: 'fail_after', status: 502 })
  const ask = async () => (await post(child, grant, service)).status
  expect([await ask(), await ask(), await ask(), await ask()]).toEqual([500, 501, 502, 200])
  expect((await child.truth()).filter(({ type }) => type === 'issued').map(({ request }) => request)).toEqual(
    [3, 4],
  )
  await expect(child.fault({ kind: 'fail_after', status: 200 })).rejects.toThrow(
    'status must be a whole number',
  )
  expect(await ask()).toBe(200)
  await child.fault({ kind: 'fail_before', status: 500, count: 'all' })
  expect(await ask()).toBe(500)
  await child.clearFaults()
  expect(await ask()).toBe(200)
})

test.each<[string, unknown]>([
  ['unknown fault "explode"', { kind: 'explode' }],
  ['ms must be a whole number from 0', { kind: 'hold_request' }],
  ['retryAfter must be printable text', { kind: 'rate_limit', retryAfter: 'a\nb' }],
  ['contentType must be printable text', { kind: 'replace_answer', body: '', contentType: 'a\nb' }],
  ['body must be text', { kind: 'replace_answer' }],
  ['probability must be from 0 to 1', { kind: 'drop_answer', probability: 2 }],
  ['count must be a whole number above 0', { kind: 'drop_answer', count: 0 }],
])('a fault that makes no sense is refused: %s', (message, fault) => {
  expect(() => server.fault(fault as PracticeFault)).toThrow(message)
})
