import { afterEach, beforeEach, expect, test } from 'vitest'
import { type PracticeServer, startPracticeServer } from '../src/practice-server.ts'
import { authorizationUrl } from './requests.ts'

let server: PracticeServer
beforeEach(async () => {
  server = await startPracticeServer()
})
afterEach(() => server.stop())

test('the page says that it is a practice server, who asks, and for what', async () => {
  const answer = await fetch(authorizationUrl(server, { login_hint: 'ann' }))
  const page = await answer.text()
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page).toMatch(/^<!doctype html>\n<html lang="en">/)
  expect(page).toContain('<title>Allow practice-app? - practice server</title>')
  expect(page).toContain('This is a practice server')
  expect(page).toContain('<dd>read write</dd>')
  expect(page).toContain(
    '<label for="subject">You are</label>\n<input id="subject" name="subject" value="ann"',
  )
})

test('its policy allows its own style, and no script, frame or foreign source', async () => {
  const answer = await fetch(authorizationUrl(server))
  expect(answer.headers.get('content-security-policy')).toMatch(
    /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; frame-ancestors 'none'; base-uri 'none'$/,
  )
  expect(await answer.text()).not.toContain('<script')
})

test('nothing from the request becomes markup', async () => {
  const attack = '"><script>alert(1)</script>'
  const page = await (await fetch(authorizationUrl(server, { login_hint: attack, state: attack }))).text()
  expect(page).not.toContain('<script')
  expect(page).toContain('value="&quot;&gt;&lt;script&gt;')
})

test('state and subject survive the form unchanged', async () => {
  const state = `a b&c=d"<>'%+ü`
  const returned = new URL(
    await server.consent(authorizationUrl(server, { state }), { subject: 'ann & bob' }),
  )
  expect(returned.searchParams.get('state')).toBe(state)
  expect(server.requests.at(-1)).toMatchObject({
    path: '/authorize',
    subject: 'ann & bob',
    outcome: 'consented',
  })
})

test('a form sent by another site is refused', async () => {
  const answer = await fetch(authorizationUrl(server), {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: 'https://evil.example' },
    body: new URLSearchParams({ decision: 'allow' }),
  })
  expect(answer.status).toBe(403)
  expect(answer.headers.get('location')).toBeNull()
})

test('playing the browser reports the page that refused', async () => {
  await expect(server.consent(authorizationUrl(server, { client_id: 'nobody' }))).rejects.toThrow(
    'the practice server showed no consent form: 400, the client is not registered',
  )
})
