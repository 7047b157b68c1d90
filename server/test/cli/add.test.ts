import { spawnSync } from 'node:child_process'
import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { login } from '../broker/practised-broker.ts'
import { evertoken, folder, hasTerminal, onTerminal, secretFile, start } from './command.ts'
import { billing, provider, serviceFlags, serviceSecret } from './practice.ts'

describe('evertoken add', () => {
  test.each([
    ['a file', async () => ['--client-secret-file', secretFile(serviceSecret)]],
    ['the environment', async () => ['--client-secret-env', 'OUR_SECRET']],
  ])('takes the secret from %s and proves the grant with a first token', async (_, flags) => {
    const server = await provider()
    const data = folder()
    const { code, stdout } = await evertoken(
      ['add', 'billing', '--data', data, ...serviceFlags(server), ...(await flags()), '--json'],
      { env: { OUR_SECRET: serviceSecret } },
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ id: 'billing', state: 'active', generation: 1 })
    expect(server.requests.filter(({ path }) => path === '/token')).toHaveLength(1)
  })

  test('takes two secrets from a file with two lines, and goes on with the one that is let in', async () => {
    const server = await provider()
    const flags = [...serviceFlags(server), '--client-secret-file', secretFile(`ended\n${serviceSecret}\n`)]
    const { code, stdout } = await evertoken(['add', 'billing', '--data', folder(), ...flags, '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ id: 'billing', state: 'active', generation: 1 })
    const sent = server.requests.filter(({ path }) => path === '/token')
    expect(sent.map(({ status }) => status)).toEqual([401, 200])
  })

  test('does not send a secret into a private network unless that is said', async () => {
    const data = folder()
    const env = { OUR_SECRET: serviceSecret }
    const flags = ['--type', 'client_credentials', '--client-id', 'a', '--client-secret-env', 'OUR_SECRET']
    const add = (id: string, host: string) =>
      evertoken(['add', id, '--data', data, ...flags, '--token-url', `https://${host}:1/token`], { env })
    const refused = await add('a', '0x0a.1')
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('(10.0.0.1:1 is an address of a private network) (private_address)')
    expect(refused.stderr).toContain(
      'private_network: true for this client (--private-network on the command',
    )
    expect((await evertoken(['show', 'a', '--data', data])).stdout).toContain(
      'advice        If the provider is in a network of your own, private_network: true on its client',
    )
    // Loopback written literally is wanted: somebody is asked, and nobody is there.
    expect((await add('b', '0x7f.1')).stderr).toContain('connect ECONNREFUSED 127.0.0.1:1')
  })

  // It was taken for the name of a provider: "there is no provider "foo". Did you mean box?"
  test('takes --issuer for an address, whatever it looks like', async () => {
    const flags = ['--type', 'client_credentials', '--client-id', 'a', '--client-secret-env', 'OUR_SECRET']
    const { code, stderr } = await evertoken(['add', 'x', '--data', folder(), ...flags, '--issuer', 'foo'], {
      env: { OUR_SECRET: serviceSecret },
    })
    expect(code).toBe(2)
    expect(stderr).toContain('client.provider.issuer: found the text "foo", expected an https URL')
  })

  test('sends nothing with --no-check', async () => {
    const server = await provider()
    const flags = [...serviceFlags(server), '--client-secret-file', secretFile(serviceSecret), '--no-check']
    const { code } = await evertoken(['add', 'billing', '--data', folder(), ...flags])
    expect(code).toBe(0)
    expect(server.requests).toHaveLength(0)
  })

  test('makes a grant that signs assertions', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const server = await provider({
      assertionIssuers: [
        {
          issuer: 'robot',
          algorithm: 'RS256',
          key: String(publicKey.export({ type: 'spki', format: 'pem' })),
        },
      ],
    })
    const key = secretFile(String(privateKey.export({ type: 'pkcs8', format: 'pem' })))
    const { code, stderr, stdout } = await evertoken([
      ...['add', 'robot', '--data', folder(), '--json', '--type', 'jwt_bearer', '--issuer', server.issuer],
      ...['--assertion-issuer', 'robot', '--algorithm', 'RS256', '--signing-key-file', key, '--label', 'a=b'],
    ])
    expect(stderr).not.toContain('evertoken: grant')
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      grant_type: 'jwt_bearer',
      state: 'active',
      labels: { a: 'b' },
    })
  })

  test('makes a grant for which a platform signs, whose file is read whenever it is sent', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const authentication = {
      method: 'private_key_jwt',
      algorithm: 'ES256',
      key: publicKey.export({ format: 'jwk' }),
      platform: { issuer: 'https://platform.example', subject: 'job:7' },
    } as const
    const server = await provider({ clients: [{ clientId: 'billing', authentication }] })
    const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const claims = { iss: 'https://platform.example', sub: 'job:7', aud: server.issuer, exp: 2 ** 32 }
    const content = `${encoded({ alg: 'ES256' })}.${encoded(claims)}`
    const signature = sign('sha256', Buffer.from(content), { key: privateKey, dsaEncoding: 'ieee-p1363' })
    const file = secretFile(`${content}.${signature.toString('base64url')}`)
    const data = folder()
    const flags = ['--type', 'client_credentials', '--issuer', server.issuer, '--client-id', 'billing']
    const added = await evertoken([
      ...['add', 'billing', '--data', data, '--json', ...flags, '--client-assertion-file', file],
    ])
    expect(added.code).toBe(0)
    expect(JSON.parse(added.stdout)).toMatchObject({ state: 'active', generation: 1 })
    fs.rmSync(file)
    const refused = await evertoken(['refresh', 'billing', '--data', data])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain(`the client assertion file ${file} cannot be read`)
    expect(server.requests.filter(({ path }) => path === '/token')).toHaveLength(1)
  })

  test('imports a refresh token from stdin', async () => {
    const server = await provider()
    const begun = new URL(server.authorizationEndpoint)
    const verifier = 'a-code-verifier-of-at-least-forty-three-characters-x'
    const challenge = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
    const redirect = 'http://127.0.0.1/callback'
    begun.search = new URLSearchParams({
      response_type: 'code',
      client_id: 'practice-app',
      redirect_uri: redirect,
      state: 's',
      code_challenge: Buffer.from(challenge).toString('base64url'),
      code_challenge_method: 'S256',
    }).toString()
    const code = new URL(await server.consent(begun)).searchParams.get('code') ?? ''
    const form = {
      grant_type: 'authorization_code',
      client_id: 'practice-app',
      code,
      code_verifier: verifier,
    }
    const answer = await fetch(server.tokenEndpoint, {
      method: 'POST',
      body: new URLSearchParams({ ...form, redirect_uri: redirect }),
    })
    const { refresh_token: imported } = (await answer.json()) as { refresh_token: string }
    const added = await evertoken(
      [
        ...[
          'add',
          'person',
          '--data',
          folder(),
          '--type',
          'refresh_token',
          '--token-url',
          server.tokenEndpoint,
        ],
        ...['--client-id', 'practice-app', '--refresh-token-file', '-'],
      ],
      { input: imported },
    )
    expect(added.stderr).not.toContain(imported)
    expect(added.code).toBe(0)
    expect(added.stdout).toContain('added person: active')
  })

  test('takes what the provider does with used refresh tokens, class and window together', async () => {
    const server = await provider({ rotation: 'idempotent', reuseWindow: 30 })
    const data = folder()
    const flags = [
      ...['add', 'work', '--data', data, '--type', 'refresh_token', '--token-url', server.tokenEndpoint],
      ...['--client-id', 'practice-app', '--refresh-token-file', '-', '--replay-class', 'idempotent'],
    ]
    const refused = await evertoken(flags, { input: 'rt' })
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain('replay_class idempotent needs a reuse_window')
    const more = ['--reuse-window', '30', '--revocation-url', `${server.issuer}/revoke`]
    expect((await evertoken([...flags, ...more], { input: await login(server) })).code).toBe(0)
    const shown = await evertoken(['show', 'work', '--json', '--data', data])
    expect(JSON.parse(shown.stdout)).toMatchObject({ state: 'active', replay_class: 'idempotent' })
    const revoked = await evertoken(['revoke', 'work', '--yes', '--json', '--data', data])
    expect(JSON.parse(revoked.stdout)).toMatchObject({ state: 'revoked', upstream: 'revoked' })
  }, 40_000)

  test('exchanges a token that is read from its file for every request', async () => {
    const server = await provider()
    const claims = {
      iss: 'practice-issuer',
      sub: 'ann',
      aud: server.issuer,
      exp: Math.floor(Date.now() / 1000) + 300,
    }
    const signed = [{ alg: 'HS256' }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    )
    const mac = createHmac('sha256', 'practice-issuer-secret-of-32-bytes-or-more').update(signed.join('.'))
    const token = [...signed, mac.digest('base64url')].join('.')
    const data = folder()
    const cwd = folder()
    fs.writeFileSync(path.join(cwd, 'subject.jwt'), token)
    const flags = [
      ...['add', 'api', '--data', data, '--type', 'token_exchange', '--issuer', server.issuer],
      ...['--client-id', 'practice-service', '--client-secret-env', 'SECRET', '--audience', 'files'],
      ...['--subject-token-file', 'subject.jwt', '--subject-token-type', 'jwt'],
    ]
    const added = await evertoken(flags, { cwd, env: { SECRET: serviceSecret } })
    expect(added).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('added api: active, generation 1'),
    })
    fs.rmSync(path.join(cwd, 'subject.jwt'))
    const refused = await evertoken(['refresh', 'api', '--data', data])
    expect(refused.code).not.toBe(0)
    expect(refused.stderr).toContain(
      `the subject token file ${path.join(cwd, 'subject.jwt')} cannot be read (ENOENT)`,
    )
    const kept = (await evertoken(['token', 'api', '--data', data])).stdout.trim()
    expect(server.introspect(kept)).toMatchObject({ active: true, sub: 'ann', aud: ['files'] })
  }, 40_000)

  test('adds a GitHub App installation by its provider alone, and says what is missing', async () => {
    const app = ['--type', 'request', '--provider', 'github-app-installation', '--client-id', 'Iv23']
    const add = (...flags: string[]) =>
      evertoken(['add', 'repo', '--no-check', '--data', data, ...app, ...flags])
    const data = folder()
    const unsigned = await add('--variable', 'installation_id=123')
    expect(unsigned).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('on the command line --signing-key-file'),
    })
    const key = ['--signing-key-file', secretFile('-----BEGIN PRIVATE KEY-----')]
    expect((await add(...key)).stderr).toContain('--variable installation_id=12345678 is missing')
    expect((await add('--variable', 'installation_id=12a', ...key)).stderr).toContain(
      'Number of the installation',
    )
    const added = await add('--variable', 'installation_id=123', ...key)
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('added repo: active') })
    const shown = await evertoken(['show', 'repo', '--json', '--data', data])
    expect(JSON.parse(shown.stdout)).toMatchObject({ grant_type: 'request', provider: 'api.github.com' })
    const refused = await evertoken(['refresh', 'repo', '--data', data])
    expect(refused.stderr).toContain('the key is no private key for RS256')
  }, 40_000)

  test.each([
    [[], '--type'],
    [['--type', 'client_credentials'], '--issuer or --token-url'],
    [['--type', 'client_credentials', '--issuer', 'https://a.example'], '--client-id'],
    [
      ['--type', 'client_credentials', '--issuer', 'https://a.example', '--client-id', 'a'],
      '--client-secret-file or --client-secret-env',
    ],
    [['--type', 'jwt_bearer', '--issuer', 'https://a.example'], '--assertion-issuer'],
    [
      ['--type', 'refresh_token', '--issuer', 'https://a.example', '--client-id', 'a'],
      '--refresh-token-file or --refresh-token-env',
    ],
    [['--type', 'authorization_code', '--token-url', 'https://a.example'], '--authorization-url'],
    [
      ['--type', 'token_exchange', '--issuer', 'https://a.example'],
      '--subject-token-file or --subject-token-env',
    ],
  ])('without a terminal %j is an error that names %s', async (flags, missing) => {
    const { code, stderr } = await evertoken(['add', 'x', '--data', folder(), ...flags])
    expect(code).toBe(2)
    expect(stderr).toContain(`${missing} is missing`)
  })

  test.each([
    ['key_file_too_open', () => ['--client-secret-file', secretFile('x', 0o644)]],
    ['key_file_unreadable', () => ['--client-secret-file', '/nowhere/secret']],
    ['empty_secret', () => ['--client-secret-file', secretFile('')]],
    ['empty_secret', () => ['--client-secret-file', '-']],
    ['missing_environment_variable', () => ['--client-secret-env', 'NOT_SET']],
    ['usage', () => ['--client-secret-env', 'A', '--client-secret-file', '-']],
  ])('says %s when the secret cannot be had, and adds nothing', async (expected, flags) => {
    const data = folder()
    const issuer = { issuer: 'https://a.example' }
    const { code, stderr } = await evertoken([
      'add',
      'x',
      '--data',
      data,
      ...serviceFlags(issuer),
      ...flags(),
    ])
    expect(code).toBe(2)
    expect(stderr).toContain(`(${expected})`)
    expect((await evertoken(['show', 'x', '--data', data])).code).toBe(5)
  })

  test('keeps a grant whose first token does not come, and says why', async () => {
    const server = await provider()
    const data = folder()
    const added = await evertoken(
      ['add', 'billing', '--data', data, ...serviceFlags(server), '--client-secret-file', '-'],
      { input: 'wrong-secret-canary' },
    )
    expect(added.code).toBe(1)
    expect(added.stderr).toContain('billing is added and kept')
    expect(added.stderr).toContain('(invalid_client)')
    expect(added.stderr + added.stdout).not.toContain('wrong-secret-canary')
    const shown = await evertoken(['show', 'billing', '--data', data])
    expect(shown.stdout).toContain('invalid_client')
  })

  test('refuses a name that is taken before it reads a secret', async () => {
    const { server, data } = await billing()
    const { code, stderr } = await evertoken(['add', 'billing', '--data', data, ...serviceFlags(server)])
    expect(code).toBe(1)
    expect(stderr).toContain('grant_exists')
  })

  test('says what to run for a grant that needs a person', async () => {
    const server = await provider()
    const flags = ['--type', 'authorization_code', '--issuer', server.issuer, '--client-id', 'practice-app']
    const { code, stderr, stdout } = await evertoken(['add', 'work', '--data', folder(), ...flags])
    expect(code).toBe(0)
    expect(stdout).toContain('pending')
    expect(stderr).toContain('evertoken login work')
  })

  test('has no secret among its arguments or in its output', async () => {
    const server = await provider({ latency: 1_500 })
    const flags = [...serviceFlags(server), '--client-secret-file', '-']
    const running = start(['add', 'billing', '--data', folder(), ...flags])
    running.child.stdin?.end(serviceSecret)
    while (server.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    const { stdout: processes } = spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
    expect(processes).toContain('practice-service')
    expect(processes).not.toContain(serviceSecret)
    const { code, stdout, stderr } = await running.ended
    expect(code).toBe(0)
    expect(stdout + stderr).not.toContain(serviceSecret)
  })
})

describe.skipIf(!hasTerminal)('evertoken add on a terminal', () => {
  const enter = '\r'
  const down = '\u001b[B'

  test('asks for what is missing, hides the secret, and loses no answer to a wrong one', async () => {
    const server = await provider()
    const data = folder()
    const running = onTerminal(['add', 'billing', '--data', data])
    await running.says(/What do you have/, 'stdout')
    running.type(enter)
    await running.says(/How is the provider known/, 'stdout')
    running.type(`${down}${enter}`)
    await running.says(/Issuer URL/, 'stdout')
    running.type(`auth.example.com${enter}`)
    await running.says(/Write it whole/, 'stdout')
    running.type('\u007f'.repeat('auth.example.com'.length))
    running.type(`${server.issuer}${enter}`)
    await running.says(/Client id/, 'stdout')
    running.type(enter)
    await running.says(/cannot be empty/, 'stdout')
    running.type(`practice-service${enter}`)
    await running.says(/Client secret/, 'stdout')
    running.type(`${serviceSecret}${enter}`)
    await running.says(/Scope/, 'stdout')
    running.type(enter)
    const { code, stdout } = await running.ended
    expect(stdout).toContain('added billing')
    expect(code).toBe(0)
    expect(stdout).not.toContain(serviceSecret)
  })

  test('finds a provider by typing, says how a client is made there, and asks for what its profile asks for', async () => {
    const server = await provider()
    const cwd = folder()
    fs.writeFileSync(
      path.join(cwd, 'evertoken.yaml'),
      `providers:
  dojo:
    name: The Dojo
    token_url: ${server.issuer}/{realm}
    variables: { realm: { description: Which door., pattern: '[a-z]+', example: token } }
    registration: { url: https://dojo.example/apps, steps: [Bow.], traps: [It hurts.] }
`,
    )
    const running = onTerminal(['add', 'billing'], { cwd })
    await running.says(/What do you have/, 'stdout')
    running.type(enter)
    await running.says(/How is the provider known/, 'stdout')
    running.type(enter)
    await running.says(/Which provider/, 'stdout')
    running.type('dojo')
    await running.says(/dojo, yours/, 'stdout')
    running.type(enter)
    await running.says(/A client at The Dojo is made at https:\/\/dojo\.example\/apps/, 'stdout')
    await running.says(/realm: Which door/, 'stdout')
    running.type(`NO${enter}`)
    await running.says(/Write it like token/, 'stdout')
    running.type(`\u007f\u007ftoken${enter}`)
    await running.says(/Client id/, 'stdout')
    running.type(`practice-service${enter}`)
    await running.says(/Client secret/, 'stdout')
    running.type(`${serviceSecret}${enter}`)
    await running.says(/Scope/, 'stdout')
    running.type(enter)
    const { code, stdout } = await running.ended
    expect(stdout).toContain('added billing')
    expect(stdout).toContain('It hurts.')
    expect(code).toBe(0)
    expect(server.requests.filter(({ path }) => path === '/token')).toHaveLength(1)
  })

  test('ends with 130 and adds nothing when a question is left', async () => {
    const data = folder()
    const running = onTerminal(['add', 'billing', '--data', data])
    await running.says(/What do you have/, 'stdout')
    running.type('\u0003')
    expect((await running.ended).code).toBe(130)
    expect((await evertoken(['list', '--data', data, '--json'])).stdout).toBe('{"grants":[]}\n')
  })
})
