import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { fingerprint, type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { login, refresh, type Tokens, tokensOf } from './requests.ts'

let server: PracticeServer
let first: Tokens
let second: Tokens
beforeEach(async () => {
  server = await startPracticeServer()
  onTestFinished(() => server.stop())
  first = await login(server, 'ann')
  second = tokensOf(await refresh(server, first.refresh))
  await expect.poll(() => server.truth.at(-1)?.type).toBe('answered')
})

async function page(path: string, init?: { method: string; body?: unknown }) {
  const { method = 'GET', body } = init ?? {}
  const answer = await fetch(`${server.issuer}/practice/${path}`, {
    method,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  return { status: answer.status, json: text === '' ? undefined : (JSON.parse(text) as unknown) }
}

test('logins are counted for those who cannot call the functions', async () => {
  const { login: id } = server.requests.at(-1) ?? {}
  const counted = { login: id, requests: 1, refreshes: 1, overlaps: 0 }
  expect((await page('logins')).json).toEqual([{ ...counted, live: [fingerprint(second.refresh)] }])
  await refresh(server, first.refresh)
  expect((await page('logins')).json).toEqual([
    { ...counted, requests: 2, live: [], ended: { by: 'family_kill', at: expect.any(Number) } },
  ])
})

test('a verdict wants to know what the client holds, and knows the rotation itself', async () => {
  const held = [fingerprint(second.refresh)]
  expect((await page('verdict', { method: 'POST', body: { held } })).json).toMatchObject([{ state: 'alive' }])
  await refresh(server, first.refresh)
  expect((await page('verdict', { method: 'POST', body: { held } })).json).toMatchObject([
    { state: 'lost', avoidable: true, cause: 'family_killed', familyKill: { alreadyLost: false } },
  ])
  await login(server, 'bob')
  const ofBob = server.requests.at(-1)?.login
  expect((await page('verdict', { method: 'POST', body: { held, login: ofBob } })).json).toMatchObject([
    { login: ofBob, state: 'lost', cause: 'answer_dropped' },
  ])
})

test.each([
  ['verdict', '{}', 'held must be a list'],
  ['verdict', '{', 'JSON'],
  ['faults', '[{"kind":"explode"}]', 'unknown fault'],
])('%s with the body %s is refused', async (path, body, reason) => {
  const { status, json } = await page(path, { method: 'POST', body })
  expect(status).toBe(400)
  expect(json).toMatchObject({
    error: 'invalid_request',
    error_description: expect.stringContaining(reason),
  })
})

test('there is no other page, and none takes another method', async () => {
  expect((await page('nothing')).status).toBe(404)
  expect((await page('truth', { method: 'DELETE' })).status).toBe(404)
  expect((await page('faults', { method: 'DELETE' })).status).toBe(204)
})
