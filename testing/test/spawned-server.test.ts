import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  consent,
  fingerprint,
  type PracticeProcess,
  readTruthFile,
  spawnPracticeServer,
  startPracticeServer,
} from '../src/practice-server.ts'
import { conditions } from '../src/spawned-server.ts'
import { asks, authorizationUrl, basic, login, post, refresh, tokensOf } from './requests.ts'

const entry = fileURLToPath(new URL('../src/practice-process.ts', import.meta.url))
const service = basic('practice-service', 'practice-service-secret')

let folder: string
let child: PracticeProcess | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'evertoken-'))
})
afterEach(async () => {
  await child?.kill()
  rmSync(folder, { recursive: true })
})

test('a spawned server takes its options along and tells what it saw', async () => {
  child = await spawnPracticeServer({ lifetimes: { accessToken: 77 } })
  const { json } = await post(child, { grant_type: 'client_credentials' }, service)
  expect(json.expires_in).toBe(77)
  expect(await child.requests()).toMatchObject([
    { clientId: 'practice-service', outcome: 'issued', accessToken: fingerprint(String(json.access_token)) },
  ])
  expect(await (await fetch(`${child.issuer}/practice/health`)).json()).toMatchObject({ pid: child.pid })
  expect(new URL(await consent(authorizationUrl(child))).searchParams.get('iss')).toBe(child.issuer)
})

test('SIGKILL between requests loses nothing that was answered', async () => {
  const stateFile = join(folder, 'practice.jsonl')
  child = await spawnPracticeServer({ stateFile })
  const first = await login(child, 'ann')
  const second = tokensOf(await refresh(child, first.refresh))
  await child.kill()
  await expect(fetch(child.issuer)).rejects.toThrow('fetch failed')
  child = await spawnPracticeServer({ stateFile, port: child.port })
  expect(await asks(child, second.access)).toMatchObject({ status: 200, json: { sub: 'ann' } })
  const third = tokensOf(await refresh(child, second.refresh))
  expect((await refresh(child, first.refresh)).json.error).toBe('invalid_grant')
  expect((await refresh(child, third.refresh)).json.error_description).toBe(
    'the login is revoked: refresh_token_reused',
  )
})

test('SIGKILL under load keeps every answer that arrived, in every login', async () => {
  const stateFile = join(folder, 'practice.jsonl')
  const running = await spawnPracticeServer({ stateFile })
  child = running
  const newest = await Promise.all(Array.from({ length: 8 }, () => login(running)))
  let answers = 0
  const spinning = newest.map(async (tokens, index) => {
    try {
      for (let last = tokens; ; answers++) {
        last = tokensOf(await refresh(running, last.refresh))
        newest[index] = last
      }
    } catch {
      // The connection broke: the server is dead, and newest holds what was answered.
    }
  })
  await expect.poll(() => answers).toBeGreaterThan(50)
  await running.kill()
  await Promise.all(spinning)
  child = await spawnPracticeServer({ stateFile, port: running.port })
  for (const { access } of newest) expect((await asks(child, access)).status).toBe(200)
})

test('stop ends the process in good order, and again does nothing', async () => {
  child = await spawnPracticeServer()
  await Promise.all([child.stop(), child.stop()])
  await child.stop()
  expect(() => process.kill(child?.pid ?? 0, 0)).toThrow('ESRCH')
})

test('a child that cannot start says why', async () => {
  await using other = await startPracticeServer()
  await expect(spawnPracticeServer({ port: other.port })).rejects.toThrow(
    `port ${other.port} on 127.0.0.1 is taken`,
  )
})

test('of the arguments of the parent only its conditions are passed along', () => {
  expect(
    conditions(['--eval', 'x()', '--conditions', 'a', '-C', 'b', '--conditions=c', '--inspect-brk', '-C=d']),
  ).toEqual(['--conditions', 'a', '-C', 'b', '--conditions=c', '-C=d'])
})

describe('the process by its command line', () => {
  const run = (...args: string[]) => {
    const process_ = spawn(process.execPath, [...conditions(process.execArgv), entry, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    let output = ''
    let complaint = ''
    process_.stdout?.on('data', (text) => {
      output += text
    })
    process_.stderr?.on('data', (text) => {
      complaint += text
    })
    return {
      process_,
      output: () => output,
      complaint: () => complaint,
      exited: once(process_, 'exit'),
      closed: once(process_, 'close'),
    }
  }

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'prints one line when it listens and ends well on %s',
    async (signal) => {
      const { process_, output, closed } = run(
        '--port',
        '0',
        '--rotation',
        'none',
        '--state',
        join(folder, 's'),
      )
      await expect.poll(output, { timeout: 15_000 }).toMatch(/\n$/)
      expect(JSON.parse(output())).toEqual({
        ready: true,
        issuer: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
        port: expect.any(Number),
        pid: process_.pid,
      })
      process_.kill(signal)
      expect(await closed).toEqual([0, null])
    },
  )

  test('ends when the channel to its parent closes', async () => {
    const { process_, output, exited } = run('--options', '{"lifetimes":{"accessToken":5}}')
    await expect.poll(output, { timeout: 15_000 }).toMatch(/\n$/)
    const target = JSON.parse(output()) as { issuer: string }
    expect((await post(target, { grant_type: 'client_credentials' }, service)).json.expires_in).toBe(5)
    process_.disconnect()
    expect(await exited).toEqual([0, null])
  })

  test('its flags end the old access token and write the truth to a file', async () => {
    const truth = join(folder, 'truth.jsonl')
    const { process_, output, closed } = run('--old-token-dies', '--truth', truth)
    await expect.poll(output, { timeout: 15_000 }).toMatch(/\n$/)
    const target = JSON.parse(output()) as { issuer: string }
    const first = await login(target)
    const second = tokensOf(await refresh(target, first.refresh))
    expect([(await asks(target, first.access)).status, (await asks(target, second.access)).status]).toEqual([
      401, 200,
    ])
    process_.kill('SIGTERM')
    expect(await closed).toEqual([0, null])
    expect(readTruthFile(truth).filter(({ type }) => type === 'issued')).toMatchObject([
      { accessToken: fingerprint(first.access) },
      { accessToken: fingerprint(second.access), endsEarlier: true },
    ])
  })

  test('a taken port is an error of one line', async () => {
    await using other = await startPracticeServer()
    const { complaint, closed } = run('--port', String(other.port))
    expect(await closed).toEqual([1, null])
    expect(complaint()).toBe(
      `practice server: port ${other.port} on 127.0.0.1 is taken. Choose another port, or 0 to let the system choose.\n`,
    )
  })

  test('a wrong option is shown with the usage', async () => {
    const { complaint, closed } = run('--rotation', 'sometimes')
    expect(await closed).toEqual([1, null])
    expect(complaint()).toMatch(
      /^practice server: rotation must be strict, none, idempotent, last_child_wins or fork, not sometimes\.\nusage: practice-process /,
    )
  })
})
