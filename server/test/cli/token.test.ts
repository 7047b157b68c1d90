import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { evertoken, folder, hasTerminal, onTerminal, start } from './command.ts'
import { billing } from './practice.ts'

describe('evertoken token', () => {
  test('prints the token and a newline and nothing else into a pipe, without asking the provider again', async () => {
    const { server, data } = await billing()
    const before = server.requests.length
    const { code, stdout, stderr } = await evertoken(['token', 'billing', '--data', data])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^practice_access_\S+\n$/)
    expect(server.introspect(stdout.trim())).toMatchObject({ active: true, client_id: 'practice-service' })
    expect(server.requests).toHaveLength(before)
  })

  test('loads nothing for it but what reads the store', async () => {
    const { data } = await billing()
    const { stderr } = await evertoken(['token', 'billing', '--data', data], { env: { NODE_DEBUG: 'esm' } })
    const loaded = new Set(stderr.match(/(?<=\/(?:library|server)\/src\/)[\w/-]+\.ts/g))
    expect([...loaded].sort()).toEqual([
      'cli/command.ts',
      'cli/main.ts',
      'cli/place.ts',
      'cli/quick-token.ts',
      'errors.ts',
      'grants/schedule.ts',
      'grants/seal.ts',
      'secret.ts',
      'stores/sqlite/held-token.ts',
      'stores/sqlite/key-file.ts',
    ])
    expect(stderr).not.toContain('node_modules')
  })

  test('gives the same token with --json and what is known of it', async () => {
    const { data } = await billing()
    const plain = await evertoken(['token', 'billing', '--data', data])
    const { stdout } = await evertoken(['token', 'billing', '--data', data, '--json'])
    const answer = JSON.parse(stdout)
    expect(answer).toEqual({
      access_token: plain.stdout.trim(),
      token_type: 'Bearer',
      expires_at: expect.stringMatching(/^\d{4}-.*Z$/),
      expires_in: expect.any(Number),
      scope: '',
      generation: 1,
    })
    expect(answer.expires_in).toBeGreaterThan(280)
  })

  test('fetches a new one when the one in the store ends too soon', async () => {
    const { data } = await billing({ lifetimes: { accessToken: 10 } })
    const first = await evertoken(['token', 'billing', '--data', data, '--json'])
    expect(JSON.parse(first.stdout).generation).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 5_500))
    const second = await evertoken(['token', 'billing', '--data', data, '--min-ttl', '9', '--json'])
    expect(JSON.parse(second.stdout).generation).toBe(2)
  })

  test('asks for a narrower scope and keeps its token apart', async () => {
    const { data } = await billing()
    const { stdout } = await evertoken(['token', 'billing', '--data', data, '--scope', 'read', '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ scope: 'read', generation: 1 })
  })

  test('names the path that was looked at, and makes nothing there, when there is no store', async () => {
    const data = path.join(folder(), 'nothing')
    const { code, stdout, stderr } = await evertoken(['token', 'billing', '--data', data])
    expect({ code, stdout }).toEqual({ code: 5, stdout: '' })
    expect(stderr).toContain(path.join(data, 'evertoken.db'))
    expect(stderr).toContain('unknown_grant')
    expect(fs.existsSync(data)).toBe(false)
  })

  test('refuses a key file that others may read, and says how to mend it', async () => {
    const { data } = await billing()
    const key = path.join(data, 'master.key')
    fs.chmodSync(key, 0o640)
    const { code, stdout, stderr } = await evertoken(['token', 'billing', '--data', data])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('key_file_too_open')
    expect(stderr).toContain(`chmod 600 ${key}`)
  })

  test('refuses another store’s key', async () => {
    const { data } = await billing()
    const other = await billing()
    fs.copyFileSync(path.join(other.data, 'master.key'), path.join(data, 'master.key'))
    const { code, stderr } = await evertoken(['token', 'billing', '--data', data])
    expect(code).toBe(2)
    expect(stderr).toContain('wrong_encryption_key')
  })

  test('says that a paused grant is paused, by exit code too', async () => {
    const { data } = await billing()
    await evertoken(['pause', 'billing', '--data', data])
    const { code, stdout, stderr } = await evertoken(['token', 'billing', '--data', data])
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' })
    expect(stderr).toContain('evertoken resume billing')
  })

  test('ends with 4 when the provider does not answer', async () => {
    const { server, data } = await billing({ lifetimes: { accessToken: 1 } })
    await server.stop()
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    const running = start(['token', 'billing', '--data', data, '--json'])
    const { code, stdout } = await running.ended
    expect(code).toBe(4)
    expect(JSON.parse(stdout).error).toMatchObject({ grant: 'billing', advice: expect.any(String) })
  }, 40_000)

  test('ends quietly when nobody reads', async () => {
    const { data } = await billing()
    const running = start(['show', 'billing', '--data', data])
    running.child.stdout?.destroy()
    expect((await running.ended).stderr).toBe('')
  })

  test('leaves the provider’s log of EVERTOKEN_LOG=wire on stderr, without secrets', async () => {
    const { data } = await billing()
    const { stdout, stderr } = await evertoken(['token', 'billing', '--data', data, '--scope', 'a'], {
      env: { EVERTOKEN_LOG: 'wire' },
    })
    expect(stderr).toContain('wire 1 > ')
    expect(stderr).not.toContain(stdout.trim())
    expect(stderr).not.toContain('practice-service-secret')
  })
})

describe.skipIf(!hasTerminal)('evertoken token on a terminal', () => {
  test('does not show the secret, and says what to type', async () => {
    const { data } = await billing()
    const { code, stdout } = await onTerminal(['token', 'billing', '--data', data]).ended
    expect(code).toBe(2)
    expect(stdout).toContain('evertoken token billing --show')
    expect(stdout).not.toContain('practice_access_')
  })

  test('shows it with --show', async () => {
    const { data } = await billing()
    const { code, stdout } = await onTerminal(['token', 'billing', '--show', '--data', data]).ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^practice_access_\S+\r\n$/)
  })
})
