import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import {
  consentToDevice,
  type PracticeServer,
  type PracticeServerOptions,
  startPracticeServer,
} from '../src/practice-server.ts'
import { asks, basic, type Got, post, refresh, type Target, tokensOf } from './requests.ts'

const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'

let server: PracticeServer
let now: number
const started = (options: PracticeServerOptions = {}) =>
  startPracticeServer({ now: () => now, deviceInterval: 5, ...options })
beforeEach(async () => {
  now = 1_800_000_000_000
  server = await started()
})
afterEach(() => server.stop())

const begin = (change: Record<string, string> = {}, at: Target = server): Promise<Got> =>
  post(at, { client_id: 'practice-app', scope: 'read write', ...change }, {}, '/device_authorization')

/** A device authorization under way, and how to ask for its tokens. */
async function begun(change: Record<string, string> = {}) {
  const { json } = await begin(change)
  const form = { grant_type, client_id: 'practice-app', device_code: String(json.device_code) }
  return {
    userCode: String(json.user_code),
    form,
    poll: (at: Target = server) => post(at, form),
    /** What it says when it is asked after so many seconds. */
    saysAfter: async (seconds: number) => {
      now += seconds * 1000
      const { status, json } = await post(server, form)
      return status === 200 ? 'tokens' : json.error
    },
  }
}

describe('the device authorization endpoint', () => {
  test('gives a device code, a code to type, and where to type it', async () => {
    const { status, headers, json } = await begin()
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(json).toEqual({
      device_code: expect.stringMatching(/^practice_device_[\w-]{32}$/),
      user_code: expect.stringMatching(/^[B-DF-HJ-NP-TV-XZ]{4}-[B-DF-HJ-NP-TV-XZ]{4}$/),
      verification_uri: `${server.issuer}/device`,
      verification_uri_complete: `${server.issuer}/device?user_code=${json.user_code}`,
      expires_in: 600,
      interval: 5,
    })
  })

  test('is the one that the metadata names', async () => {
    const answer = await fetch(`${server.issuer}/.well-known/oauth-authorization-server`)
    expect(await answer.json()).toMatchObject({
      device_authorization_endpoint: server.deviceAuthorizationEndpoint,
      grant_types_supported: expect.arrayContaining([grant_type]),
    })
  })

  test.each([
    ['an unknown client', { client_id: 'nobody' }, {}, 'invalid_client'],
    ['a client without its secret', { client_id: 'practice-web' }, {}, 'invalid_client'],
    [
      'a client that is not registered for it',
      { client_id: 'practice-service' },
      basic('practice-service', 'practice-service-secret'),
      'unauthorized_client',
    ],
    ['a malformed scope', { client_id: 'practice-app', scope: 'a"b' }, {}, 'invalid_scope'],
  ])('refuses %s', async (_name, form, headers, error) => {
    expect((await post(server, form, headers, '/device_authorization')).json.error).toBe(error)
  })
})

describe('the token endpoint', () => {
  test('gives a login once the person has allowed it, and gives it once', async () => {
    const { userCode, poll, saysAfter } = await begun({ resource: 'https://api.example' })
    expect(await saysAfter(5)).toBe('authorization_pending')
    await server.consentToDevice(userCode, { subject: 'ann' })
    now += 5000
    const tokens = tokensOf(await poll())
    expect((await asks(server, tokens.access)).json).toMatchObject({ sub: 'ann', scope: 'read write' })
    expect(server.introspect(tokens.access)).toMatchObject({ aud: ['https://api.example'] })
    expect((await poll()).json).toMatchObject({
      error: 'invalid_grant',
      error_description: 'the device code was used before',
    })
    // Nobody stole it: an answer may get lost. What was given goes on.
    expect((await refresh(server, tokens.refresh)).status).toBe(200)
    expect(server.truth.filter(({ type }) => type === 'issued')).toHaveLength(2)
  })

  test('says slow_down to whoever asks too early, and wants five seconds more from then on', async () => {
    const { saysAfter } = await begun()
    expect(await saysAfter(0)).toBe('authorization_pending')
    expect(await saysAfter(4)).toBe('slow_down')
    expect(await saysAfter(9)).toBe('slow_down')
    expect(await saysAfter(14)).toBe('slow_down')
    expect(await saysAfter(20)).toBe('authorization_pending')
  })

  test('says access_denied once the person has denied it', async () => {
    const { userCode, saysAfter } = await begun()
    await server.consentToDevice(userCode, { deny: true })
    expect(await saysAfter(5)).toBe('access_denied')
  })

  test('says expired_token after the lifetime, decided or not', async () => {
    const { userCode, saysAfter } = await begun()
    expect(await saysAfter(599)).toBe('authorization_pending')
    await server.consentToDevice(userCode)
    expect(await saysAfter(1)).toBe('expired_token')
  })

  test('refuses a device code that it never gave, and one of another client', async () => {
    const { userCode, form } = await begun()
    await server.consentToDevice(userCode)
    expect((await post(server, { ...form, device_code: 'guessed' })).json.error).toBe('invalid_grant')
    const web = { ...form, client_id: 'practice-web', client_secret: 'practice-web-secret' }
    expect((await post(server, web)).json.error).toBe('invalid_grant')
  })
})

describe('the page for the user code', () => {
  const page = (path: string, init?: RequestInit): Promise<Response> => fetch(server.issuer + path, init)

  test('asks for the code, then shows who wants what and the code again', async () => {
    expect(await (await page('/device')).text()).toContain('<h1>Which code does the device show?</h1>')
    const { userCode } = await begun()
    const shown = await page(`/device?user_code=${userCode}`)
    expect(shown.headers.get('content-security-policy')).toContain("default-src 'none'")
    const text = await shown.text()
    expect(text).toContain('<h1>Allow <code>practice-app</code> to act for you?</h1>')
    expect(text).toContain('<dd>read write</dd>')
    expect(text).toContain(`<dt>The device shows</dt><dd>${userCode}</dd>`)
  })

  test('takes a code in small letters and without the dash', async () => {
    const { userCode, saysAfter } = await begun()
    await server.consentToDevice(` ${userCode.toLowerCase().replace('-', ' ')} `)
    expect(await saysAfter(5)).toBe('tokens')
  })

  test('refuses a code that no device shows, and one that was decided or has expired', async () => {
    await expect(server.consentToDevice('"><script>')).rejects.toThrow('400, no device shows this code')
    const { userCode } = await begun()
    await server.consentToDevice(userCode)
    await expect(server.consentToDevice(userCode)).rejects.toThrow('400, the code was used before')
    const later = await begun()
    now += 600_000
    await expect(server.consentToDevice(later.userCode)).rejects.toThrow('400, the code has expired')
  })

  test('takes no form that another site sent', async () => {
    const { userCode, saysAfter } = await begun()
    const answer = await page('/device', {
      method: 'POST',
      headers: { origin: 'https://evil.example' },
      body: new URLSearchParams({ user_code: userCode, decision: 'allow', subject: 'ann' }),
    })
    expect(answer.status).toBe(403)
    expect(await saysAfter(5)).toBe('authorization_pending')
  })
})

test('everything is in the journal: another server on it goes on where it was', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evertoken-practice-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const stateFile = join(folder, 'state.jsonl')
  await server.stop()
  server = await started({ stateFile })
  const { userCode, poll, saysAfter } = await begun()
  expect(await saysAfter(5)).toBe('authorization_pending')
  await server.stop()
  server = await started({ stateFile })
  expect(await saysAfter(1)).toBe('slow_down')
  await consentToDevice(`${server.issuer}/device`, userCode)
  await server.stop()
  server = await started({ stateFile })
  expect((await poll(server)).status).toBe(200)
  await server.stop()
  server = await started({ stateFile })
  expect((await poll(server)).json.error).toBe('invalid_grant')
})

test.each([0, 1.5, Number.NaN])('an interval of %s seconds is none', async (deviceInterval) => {
  await expect(started({ deviceInterval })).rejects.toThrow(TypeError)
})
