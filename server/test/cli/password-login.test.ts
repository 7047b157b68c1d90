import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { evertoken, folder, hasTerminal, onTerminal, secretFile, start } from './command.ts'
import { billing, provider } from './practice.ts'

const password = 'correct horse'

/** A provider that knows one person. */
async function passwordProvider() {
  const forms: Record<string, string>[] = []
  const server = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request.setEncoding('utf8')) text += chunk
    const form = Object.fromEntries(new URLSearchParams(text))
    forms.push(form)
    const good = form.grant_type === 'password' ? form.password === password : form.refresh_token === 'rt-1'
    response.writeHead(good ? 200 : 400, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify(
        good
          ? { access_token: `at-${forms.length}`, refresh_token: 'rt-1', expires_in: 3600 }
          : { error: 'invalid_grant', error_description: `no ${form.password}` },
      ),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const tokenUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  return { forms, flags: ['--token-url', tokenUrl] }
}

describe('evertoken login by user name and password', () => {
  test('makes the grant, sends both once, and goes on by refresh tokens', async () => {
    const { forms, flags } = await passwordProvider()
    const data = folder()
    const login = ['login', 'crm', '--data', data, '--username', 'ann', '--password-file', '-']
    const { code, stdout, stderr } = await evertoken([...login, ...flags], { input: `${password}\n` })
    expect({ code, stderr: stderr.replace(/^.*made the key.*\n/, '') }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^logged in crm: active, generation 1/)
    expect((await evertoken(['refresh', 'crm', '--data', data])).code).toBe(0)
    expect((await evertoken(['token', 'crm', '--data', data])).stdout).toBe('at-2\n')
    expect(forms).toEqual([
      { grant_type: 'password', username: 'ann', password },
      { grant_type: 'refresh_token', refresh_token: 'rt-1' },
    ])
  }, 40_000)

  test('of a grant that was added before takes the password from the environment, and again', async () => {
    const { forms, flags } = await passwordProvider()
    const data = folder()
    const added = await evertoken(['add', 'crm', '--type', 'password', '--data', data, ...flags])
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('added crm: pending') })
    expect(added.stderr).toContain('evertoken login crm')
    const login = ['login', 'crm', '--data', data, '--username', 'ann', '--password-env', 'PW']
    for (const generation of [1, 2]) {
      const { code, stdout } = await evertoken(login, { env: { PW: password } })
      expect(code).toBe(0)
      expect(stdout).toContain(`generation ${generation}`)
    }
    expect(forms).toHaveLength(2)
  }, 40_000)

  test('says so when they are wrong, without the password, and sends nothing more', async () => {
    const { forms, flags } = await passwordProvider()
    const login = ['login', 'crm', '--data', folder(), '--username', 'ann', '--password-file']
    const { code, stdout, stderr } = await evertoken([...login, secretFile('wrong-password'), ...flags])
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' })
    expect(stderr).toContain('Check the user name and the password')
    expect(stderr).not.toContain('wrong-password')
    expect(forms).toHaveLength(1)
  })

  test.runIf(hasTerminal)(
    'asks for both at a terminal and does not show the password',
    async () => {
      const { forms, flags } = await passwordProvider()
      const data = folder()
      await evertoken(['add', 'crm', '--type', 'password', '--data', data, ...flags])
      const running = onTerminal(['login', 'crm', '--data', data])
      await running.says(/User name/, 'stdout')
      running.type('ann\r')
      await running.says(/Password/, 'stdout')
      running.type(`${password}\r`)
      await running.says(/logged in crm: /, 'stdout')
      expect((await running.ended).code).toBe(0)
      expect(running.stdout).not.toContain('horse')
      expect(forms).toEqual([{ grant_type: 'password', username: 'ann', password }])
    },
    40_000,
  )

  test.each([
    [
      ['crm', '--username', 'ann', '--token-url', 'https://a.example/token'],
      '--password-file or --password-env',
    ],
    [['crm', '--username', 'ann', '--device', '--token-url', 'https://a.example/token'], '--device'],
    [
      [
        ...['crm', '--token-url', 'https://a.example/token', '--client-id', 'a', '--username', 'ann'],
        ...['--password-file', '-', '--client-secret-file', '-'],
      ],
      'stdin is asked for two secrets',
    ],
    [['quartile', '--as', 'ads'], '--variable-env subscription_key=VARIABLE is missing'],
    [
      ['quartile', '--as', 'ads', '--variable-env', 'subscription_key=QUARTILE_KEY'],
      '--username and --password-file or --password-env',
    ],
    [['quartile', '--as', 'ads', '--provider', 'google'], '--provider'],
    [
      ['ads', '--provider', 'quartile', '--username', 'ann', '--password-env', 'NOT_SET'],
      'NOT_SET is not set',
    ],
  ])('login %j is an error that names %s, and adds nothing', async (args, named) => {
    const data = folder()
    const env = { QUARTILE_KEY: 'k'.repeat(32) }
    const { code, stderr } = await evertoken(['login', ...args, '--data', data], { input: password, env })
    expect(code).toBe(2)
    expect(stderr).toContain(named)
    expect((await evertoken(['list', '--json', '--data', data])).stdout).toContain('[]')
  })

  test('a provider by its name needs what its profile asks for, and the grant is called by --as', async () => {
    const data = folder()
    const args = [
      'login',
      'quartile',
      '--as',
      'ads',
      '--data',
      data,
      '--username',
      'ann',
      '--password-env',
      'PW',
    ]
    const { code, stderr } = await evertoken(args, { env: { PW: password } })
    expect(code).toBe(2)
    expect(stderr).toContain('--variable-env subscription_key=VARIABLE is missing')
  })

  test('--as names the grant of any provider of the catalogue, also where a person consents in a browser', async () => {
    const data = folder()
    const running = start([
      'login',
      'google',
      '--as',
      'work',
      '--client-id',
      'abc',
      '--paste',
      '--data',
      data,
    ])
    await running.says(/https:\/\/accounts\.google\.com\/\S+client_id=abc/)
    running.child.kill('SIGINT')
    expect((await running.ended).code).toBe(130)
    const { stdout } = await evertoken(['show', 'work', '--json', '--data', data])
    expect(JSON.parse(stdout)).toMatchObject({ state: 'pending', provider: 'oauth2.googleapis.com' })
  }, 40_000)

  test('a grant to which a person consents takes no password', async () => {
    const { issuer } = await provider()
    const data = folder()
    const app = ['--issuer', issuer, '--client-id', 'practice-app', '--data', data]
    await evertoken(['add', 'work', '--type', 'authorization_code', ...app])
    const { code, stderr } = await evertoken(['login', 'work', '--data', data, '--username', 'ann'])
    expect(code).toBe(2)
    expect(stderr).toContain('work takes no password: a person consents to it at the provider')
    const machine = await billing()
    const other = await evertoken(['login', 'billing', '--data', machine.data, '--username', 'ann'])
    expect(other.stderr).toContain('nobody consents to it')
  }, 40_000)
})
