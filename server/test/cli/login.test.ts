import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { evertoken, folder, type Running, start } from './command.ts'
import { billing, provider } from './practice.ts'

const personFlags = ({ issuer }: { issuer: string }): string[] => [
  '--issuer',
  issuer,
  '--client-id',
  'practice-app',
  '--scope',
  'read offline_access',
]

const linkOf = async (running: Running): Promise<string> =>
  (await running.says(/^ {2}(http\S+\/authorize\?\S+)$/m))[1] ?? ''

describe('evertoken login', () => {
  test('makes the grant, takes the answer on 127.0.0.1, and shows the browser a page', async () => {
    const server = await provider()
    const data = folder()
    const running = start(['login', 'work', '--data', data, ...personFlags(server)])
    const link = new URL(await linkOf(running))
    expect(link.searchParams.get('redirect_uri')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/callback$/)
    expect(link.searchParams.get('code_challenge_method')).toBe('S256')
    const page = await fetch(await server.consent(link))
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    expect(await page.text()).toContain('Logged in')
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    expect(stdout).toMatch(/^logged in work: active, generation 1/)
    const token = await evertoken(['token', 'work', '--data', data])
    expect(server.introspect(token.stdout.trim())).toMatchObject({ active: true })
  })

  test('logs in again under the same name, after the login was lost', async () => {
    const server = await provider()
    const data = folder()
    for (const generation of [1, 2]) {
      const running = start(['login', 'work', '--data', data, ...personFlags(server)])
      await fetch(await server.consent(await linkOf(running)))
      expect((await running.ended).stdout).toContain(`generation ${generation}`)
      server.revokeLogin('practice-user')
    }
  })

  test('ends with 3 when the person says no, and the grant stays pending', async () => {
    const server = await provider()
    const data = folder()
    const running = start(['login', 'work', '--data', data, ...personFlags(server)])
    const page = await fetch(await server.consent(await linkOf(running), { deny: true }))
    expect(page.status).toBe(400)
    expect(await page.text()).toContain('Not logged in')
    const { code, stderr } = await running.ended
    expect(code).toBe(3)
    expect(stderr).toContain('(consent_denied)')
    expect((await evertoken(['token', 'work', '--data', data])).code).toBe(3)
  })

  test('is not put off by requests that are not the answer', async () => {
    const server = await provider()
    const running = start(['login', 'work', '--data', folder(), ...personFlags(server)])
    const link = new URL(await linkOf(running))
    const callback = new URL(link.searchParams.get('redirect_uri') ?? '')
    expect((await fetch(new URL('/', callback))).status).toBe(404)
    expect((await fetch(callback)).status).toBe(400)
    expect((await fetch(`${callback}?state=forged&code=x`)).status).toBe(400)
    expect((await fetch(callback, { method: 'POST' })).status).toBe(404)
    expect((await fetch(await server.consent(link))).status).toBe(200)
    expect((await running.ended).code).toBe(0)
  })

  test('takes the address on stdin with --paste', async () => {
    const server = await provider()
    const running = start(['login', 'work', '--paste', '--data', folder(), ...personFlags(server)])
    const address = await server.consent(await linkOf(running))
    running.type(`\n${address}\n`)
    const { code, stdout } = await running.ended
    expect(code).toBe(0)
    expect(stdout).toContain('logged in work: active')
  })

  test('pushes its request where it must be, by the endpoint that is named, and says how soon the link is to be opened', async () => {
    const server = await provider({ requirePushedAuthorization: true })
    const discovered = ['login', 'work', '--paste', '--data', folder(), ...personFlags(server)]
    const named = [
      ...['login', 'work', '--paste', '--data', folder(), '--client-id', 'practice-app'],
      ...['--token-url', server.tokenEndpoint, '--authorization-url', server.authorizationEndpoint],
      ...['--pushed-authorization-request-url', server.pushedAuthorizationRequestEndpoint],
      '--pushed-authorization',
    ]
    for (const args of [discovered, named]) {
      const running = start(args)
      const link = new URL(await linkOf(running))
      expect([...link.searchParams.keys()].sort()).toEqual(['client_id', 'request_uri'])
      await running.says(/The provider takes this link once, within (1 m|60 s|5\d s)\./)
      running.type(`${await server.consent(link)}\n`)
      expect(await running.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('work: active') })
    }
  })

  test('says what it wanted when something else is pasted', async () => {
    const server = await provider()
    const running = start(['login', 'work', '--paste', '--data', folder(), ...personFlags(server)])
    await linkOf(running)
    running.type('4/0AX4XfWh\n')
    const { code, stderr } = await running.ended
    expect(code).toBe(2)
    expect(stderr).toContain('the whole address')
  })

  test('uses the port that the provider knows, and says when it is taken', async () => {
    const server = await provider()
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    const flags = ['--data', folder(), '--port', String(port), ...personFlags(server)]
    const taken = await evertoken(['login', 'work', ...flags])
    expect(taken.code).toBe(1)
    expect(taken.stderr).toContain(`port ${port} on 127.0.0.1 is taken`)
    await new Promise((resolve) => other.close(resolve))
    const running = start(['login', 'work', ...flags])
    expect(new URL(await linkOf(running)).searchParams.get('redirect_uri')).toContain(`:${port}/`)
    await fetch(await server.consent(await linkOf(running)))
    expect((await running.ended).code).toBe(0)
  })

  test('ends cleanly at Ctrl-C', async () => {
    const server = await provider()
    const running = start(['login', 'work', '--data', folder(), ...personFlags(server)])
    await running.says(/Waiting for the answer/)
    running.child.kill('SIGINT')
    const { code, stdout, stderr } = await running.ended
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
    expect(stderr).not.toMatch(/\n\s+at /)
  })

  test('refuses a grant that nobody consents to, and a name that it knows nothing of', async () => {
    const { data } = await billing()
    const machine = await evertoken(['login', 'billing', '--data', data])
    expect(machine.code).toBe(1)
    expect(machine.stderr).toContain('nobody consents')
    const unknown = await evertoken(['login', 'nobody', '--data', data])
    expect(unknown.code).toBe(5)
    expect(unknown.stderr).toContain('evertoken login nobody --provider NAME --client-id ID, or --issuer URL')
    const meant = await evertoken(['login', 'google', '--data', data])
    expect(meant.code).toBe(5)
    expect(meant.stderr).toContain('google is a provider: evertoken login google --as GRANT --client-id ID.')
  })
})
