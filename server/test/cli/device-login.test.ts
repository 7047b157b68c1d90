import type { PracticeServer } from '@evertoken/testing'
import { describe, expect, test } from 'vitest'
import { evertoken, folder, hasTerminal, onTerminal, type Running, start } from './command.ts'
import { billing, provider } from './practice.ts'

const flags = ({ issuer }: { issuer: string }): string[] => [
  ...['--device', '--issuer', issuer, '--client-id', 'practice-app'],
  ...['--scope', 'read offline_access'],
]

/** One second is the shortest time that a provider can ask a client to wait. */
const quick = { deviceInterval: 1 }

const codeOf = async (running: Running): Promise<string> =>
  (await running.says(/^ {2}([A-Z]{4}-[A-Z]{4})$/m))[1] ?? ''

const lastOutcome = ({ requests }: PracticeServer): string | undefined => requests.at(-1)?.outcome

describe('evertoken login --device', () => {
  test('shows a code and where to type it, and ends as any login does', async () => {
    const server = await provider(quick)
    const data = folder()
    const running = start(['login', 'work', '--data', data, ...flags(server)])
    const code = await codeOf(running)
    expect(running.stderr).toContain(
      `Open this page on any device, within 10 m:\n\n  ${server.issuer}/device\n`,
    )
    expect(running.stderr).toContain(`\n\n  ${server.issuer}/device?user_code=${code}\n`)
    await expect.poll(() => lastOutcome(server), { timeout: 10_000 }).toBe('authorization_pending')
    await server.consentToDevice(code, { subject: 'ann' })
    const ended = await running.ended
    expect(ended.code).toBe(0)
    expect(ended.stdout).toMatch(/^logged in work: active, generation 1/)
    expect(ended.stderr).not.toContain('practice_device_')
    const token = await evertoken(['token', 'work', '--data', data])
    expect(server.introspect(token.stdout.trim())).toMatchObject({ active: true, sub: 'ann' })
  })

  test('tells programs the same as any login does', async () => {
    const server = await provider(quick)
    const running = start(['login', 'work', '--json', '--data', folder(), ...flags(server)])
    await server.consentToDevice(await codeOf(running))
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ id: 'work', state: 'active', generation: 1 })
  })

  test('ends with 3 and says what to do when the person says no', async () => {
    const server = await provider(quick)
    const data = folder()
    const running = start(['login', 'work', '--data', data, ...flags(server)])
    await server.consentToDevice(await codeOf(running), { deny: true })
    const { code, stderr } = await running.ended
    expect(code).toBe(3)
    expect(stderr).toContain('(consent_denied)')
    expect(stderr).toContain('Begin again once whoever is asked agrees.')
    expect((await evertoken(['token', 'work', '--data', data])).code).toBe(3)
  })

  test('ends with 3 and says what to do when nobody comes in time', async () => {
    const server = await provider({ ...quick, lifetimes: { deviceCode: 2 } })
    const { code, stderr } = await evertoken(['login', 'work', '--data', folder(), ...flags(server)])
    expect(code).toBe(3)
    expect(stderr).toContain('within 2 s')
    expect(stderr).toContain('nobody has consented to work while its code was good (grant_pending)')
    expect(stderr).toContain('Begin again: there will be a new code.')
  })

  test('says what to do where the provider has no endpoint for it, and takes one that is named', async () => {
    const server = await provider(quick)
    const data = folder()
    const at = ['--client-id', 'practice-app', '--token-url', server.tokenEndpoint]
    const consents = [...at, '--authorization-url', server.authorizationEndpoint]
    const none = await evertoken(['login', 'work', '--device', '--data', data, ...consents])
    expect(none.code).toBe(2)
    expect(none.stderr).toContain('the provider names no device authorization endpoint')
    expect(none.stderr).toContain('--device-authorization-url')
    const named = [...at, '--device-authorization-url', server.deviceAuthorizationEndpoint]
    const running = start(['login', 'home', '--device', '--data', data, ...named])
    await server.consentToDevice(await codeOf(running))
    expect((await running.ended).stdout).toMatch(/^logged in home: active/)
  })

  test('ends cleanly at Ctrl-C', async () => {
    const server = await provider()
    const running = start(['login', 'work', '--data', folder(), ...flags(server)])
    await running.says(/Waiting for the answer/)
    running.child.kill('SIGINT')
    const { code, stdout, stderr } = await running.ended
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('is for a local store, and says so before anything is sent to a broker', async () => {
    const broker = ['--broker', 'http://127.0.0.1:9', '--device']
    const { code, stderr } = await evertoken(['login', 'work', ...broker], {
      env: { EVERTOKEN_KEY: 'evt_x' },
    })
    expect(code).toBe(2)
    expect(stderr).toContain('--device is for a local store, not for the broker http://127.0.0.1:9/')
    expect(stderr).toContain('which any browser can open')
  })

  test.each([['--paste'], ['--port', '8080']])('does not go together with %s', async (...other) => {
    const { code, stderr } = await evertoken(['login', 'work', '--device', ...other])
    expect(code).toBe(2)
    expect(stderr).toContain(`option --device cannot be used with option ${other[0]}`)
  })

  test('is nothing for a grant that nobody consents to', async () => {
    const { data } = await billing()
    const { code, stderr } = await evertoken(['login', 'billing', '--device', '--data', data])
    expect(code).toBe(1)
    expect(stderr).toContain('nobody consents')
  })

  test.skipIf(!hasTerminal)('frames the code on a terminal, and says how long it is good', async () => {
    const server = await provider(quick)
    const running = onTerminal(['login', 'work', '--data', folder(), ...flags(server)])
    const [, code = ''] = await running.says(/│ {3}\S*([A-Z]{4}-[A-Z]{4})\S* {3}│/, 'stdout')
    expect(running.stdout).toContain(`╭${'─'.repeat(15)}╮`)
    await running.says(/waiting for somebody to consent to work; the code is good for 9 m 5\d s/, 'stdout')
    await server.consentToDevice(code)
    const { code: exit, stdout } = await running.ended
    expect(exit).toBe(0)
    expect(stdout).toMatch(/logged in work: \S*active/)
  })
})
