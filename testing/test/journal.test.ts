import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import { afterEach, beforeEach, expect, test } from 'vitest'
import {
  type PracticeServer,
  type PracticeServerOptions,
  startPracticeServer,
} from '../src/practice-server.ts'
import { asks, codeForm, login, post, refresh, tokensOf } from './requests.ts'

let folder: string
let stateFile: string
let server: PracticeServer | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
  stateFile = join(folder, 'state', 'practice.jsonl')
})
afterEach(async () => {
  await server?.stop()
  rmSync(folder, { recursive: true })
})

/** Stops the server that runs, and starts the next on the same journal and port. */
async function restart(options: PracticeServerOptions = {}): Promise<PracticeServer> {
  const port = server?.port ?? 0
  await server?.stop()
  server = await startPracticeServer({ stateFile, port, ...options })
  return server
}

test('logins, rotations and codes survive a restart', async () => {
  let running = await restart()
  const first = await login(running, 'ann')
  const second = tokensOf(await refresh(running, first.refresh))
  const code = await codeForm(running)
  running = await restart()
  expect(await asks(running, second.access)).toMatchObject({ status: 200, json: { sub: 'ann' } })
  expect((await post(running, code)).status).toBe(200)
  expect(running.introspect(first.refresh)).toEqual({ active: false })
  expect((await refresh(running, second.refresh)).status).toBe(200)
})

test('a refresh token used before the restart kills the family after it', async () => {
  let running = await restart()
  const first = await login(running)
  const second = tokensOf(await refresh(running, first.refresh))
  running = await restart()
  expect((await refresh(running, first.refresh)).json.error).toBe('invalid_grant')
  running = await restart()
  expect((await refresh(running, second.refresh)).json.error_description).toBe(
    'the login is revoked: refresh_token_reused',
  )
})

test('a token that rotated away stays dead when the server comes back without rotation', async () => {
  let running = await restart()
  const first = await login(running)
  const second = tokensOf(await refresh(running, first.refresh))
  running = await restart({ rotation: 'none' })
  expect((await refresh(running, second.refresh)).json).not.toHaveProperty('refresh_token')
  expect((await refresh(running, second.refresh)).status).toBe(200)
  expect((await refresh(running, first.refresh)).json.error).toBe('invalid_grant')
  expect((await refresh(running, second.refresh)).json.error).toBe('invalid_grant')
})

test('revocations and used assertions survive a restart', async () => {
  let running = await restart()
  const [one, two] = [await login(running), await login(running)]
  await post(running, { token: one.access, client_id: 'practice-app' }, {}, '/revoke')
  running.revokeFamily(two.refresh)
  const assertion = await new SignJWT({ jti: '1' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer('practice-issuer')
    .setSubject('ann')
    .setAudience(running.issuer)
    .setExpirationTime('1m')
    .sign(new TextEncoder().encode('practice-issuer-secret-of-32-bytes-or-more'))
  const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
  expect((await post(running, form)).status).toBe(200)
  running = await restart()
  expect((await asks(running, one.access)).status).toBe(401)
  expect((await refresh(running, one.refresh)).status).toBe(200)
  expect((await asks(running, two.access)).status).toBe(401)
  expect((await post(running, form)).json.error).toBe('invalid_grant')
})

test.each(['{"type":"login_revo', '{"type":"login_revoked","at":1,"login":"x","reason":"y"}', 'torn\n'])(
  'a torn last line is ignored, and what follows it is not lost: %j',
  async (torn) => {
    let running = await restart()
    const first = await login(running)
    await running.stop()
    appendFileSync(stateFile, torn)
    running = await restart()
    const second = tokensOf(await refresh(running, first.refresh))
    running = await restart()
    expect((await asks(running, second.access)).status).toBe(200)
    expect(readFileSync(stateFile, 'utf8')).not.toContain('torn')
  },
)

test('a journal damaged in its middle is refused by line, not repaired', async () => {
  const running = await restart()
  await login(running)
  await running.stop()
  const lines = readFileSync(stateFile, 'utf8').split('\n')
  lines[1] = 'damaged'
  writeFileSync(stateFile, lines.join('\n'))
  await expect(startPracticeServer({ stateFile })).rejects.toThrow(`${stateFile}, line 2: not an event`)
})

test('the journal is for its owner only and holds no token, code or secret', async () => {
  const running = await restart()
  const form = await codeForm(running)
  const first = tokensOf(await post(running, form))
  const second = tokensOf(await refresh(running, first.refresh))
  const text = readFileSync(stateFile, 'utf8')
  expect(statSync(stateFile).mode & 0o077).toBe(0)
  for (const secret of [form.code, first.access, first.refresh, second.access, second.refresh])
    expect(text).not.toContain(secret)
})
