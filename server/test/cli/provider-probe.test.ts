import fs from 'node:fs'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import {
  consentToDevice,
  type PracticeServer,
  type PracticeServerOptions,
  startPracticeServer,
} from '@evertoken/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse } from 'yaml'
import { evertoken, folder, secretFile } from './command.ts'
import { evertokenWithPerson, HastyClock } from './probe-person.ts'

/** A practice provider, and a folder whose evertoken.yaml has the client `acme` of it. */
async function set(options: PracticeServerOptions = {}, more = '') {
  const clock = new HastyClock()
  const server = await startPracticeServer({ now: clock.now, ...options })
  onTestFinished(() => server.stop())
  const cwd = folder()
  const file = path.join(cwd, 'evertoken.yaml')
  fs.writeFileSync(
    file,
    `clients:
  acme: { provider: ${server.issuer}, client_id: practice-app, validation_url: ${server.issuer}/api/whoami }
  web: { provider: ${server.issuer}, client_id: practice-web, client_secret: wrong, client_authentication: client_secret_post }
  gone: { provider: { token_url: 'http://127.0.0.1:9/token', authorization_url: 'http://127.0.0.1:9/authorize' }, client_id: x }
${more}`,
  )
  const probe = (client: string, ...args: string[]) =>
    evertokenWithPerson(['provider', 'probe', client, '--no-open', ...args], {
      cwd,
      clock,
      person: (link) => server.consent(link),
    })
  return { server, cwd, clock, probe }
}

/** Logins made elsewhere. */
async function refreshTokens(server: PracticeServer, count: number): Promise<string[]> {
  const verifier = 'v'.repeat(43)
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  const redirect_uri = 'http://127.0.0.1:49152/callback'
  const client = { client_id: 'practice-app', redirect_uri }
  const asked = new URLSearchParams({
    ...client,
    response_type: 'code',
    scope: 'read',
    state: 'state',
    code_challenge: Buffer.from(digest).toString('base64url'),
    code_challenge_method: 'S256',
  })
  return Promise.all(
    Array.from({ length: count }, async () => {
      const callback = new URL(await server.consent(`${server.issuer}/authorize?${asked}`))
      const code = callback.searchParams.get('code') ?? ''
      const form = { ...client, grant_type: 'authorization_code', code, code_verifier: verifier }
      const answer = await fetch(server.tokenEndpoint, { method: 'POST', body: new URLSearchParams(form) })
      return ((await answer.json()) as { refresh_token: string }).refresh_token
    }),
  )
}

describe('evertoken provider probe', () => {
  test.each([
    [
      { rotation: 'none' },
      { rotation: 'never', replay_class: 'non_rotating' },
      'works as before (non_rotating)',
    ],
    [{ rotation: 'strict' }, { rotation: 'always', replay_class: 'strict' }, 'refused (strict)'],
    [
      { rotation: 'idempotent', reuseWindow: 30 },
      { replay_class: 'idempotent', reuse_window: 29 },
      'gives the same refresh token again with the same access token (idempotent)',
    ],
    [
      { rotation: 'last_child_wins', reuseWindow: 20, oldTokenDies: true },
      { replay_class: 'last_child_wins', reuse_window: 19, old_token_dies: true },
      'the one before it is dead (last_child_wins)',
    ],
    [
      { rotation: 'fork', reuseWindow: 10 },
      { replay_class: 'fork', reuse_window: 9, old_token_dies: false },
      'the one before it lives on (fork)',
    ],
  ] as const)(
    'of a server with %j says what it saw, and writes the lines of a profile',
    async (options, lines, said) => {
      const { probe, cwd, server } = await set(options)
      const { code, stdout, stderr } = await probe('acme', '--yes')
      expect(code).toBe(0)
      expect(parse(stdout).lifetimes).toMatchObject(lines)
      expect(stdout).toMatch(/^# Measured at http:\S+ on 2027-01-15: evertoken provider probe acme$/m)
      expect(stderr).toContain(`What ${server.issuer} did (`)
      expect(stderr).toContain(said)
      expect(stderr).toContain(
        'reuseWindow' in options ? 'a used refresh token again, later and later' : ', 0 s of waiting',
      )
      // What is pasted into a profile is one.
      fs.writeFileSync(path.join(cwd, 'measured.yaml'), `token_url: ${server.tokenEndpoint}\n${stdout}`)
      expect((await evertoken(['provider', 'check', './measured.yaml'], { cwd })).code).toBe(0)
      for (const text of [stdout, stderr]) expect(text).not.toMatch(/practice_(access|refresh)_/)
    },
  )

  test('says it to programs, with the lines in a file', async () => {
    const { probe, server, cwd } = await set({ rotation: 'fork', reuseWindow: 600 })
    const { code, stdout } = await probe(
      'acme',
      '--yes',
      '--json',
      '--longest-window',
      '8s',
      '--output',
      'lines.yaml',
    )
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      client: 'acme',
      provider: server.issuer,
      measured_at: expect.stringMatching(/^2027-01-15T/),
      rotation: 'always',
      replay_class: 'fork',
      reuse_window: { at_least: 8 },
      window_ends_with: [],
      old_access_token: 'lives_on',
      access_token_use: 'call',
      introspection: 'tells_used_tokens',
      logins: 6,
      waited: 16,
      left: { outcome: 'revoked', revoked: expect.any(Number), left: 0 },
      lifetimes: {
        rotation: 'always',
        replay_class: 'fork',
        reuse_window: 8,
        old_token_dies: false,
        introspection: true,
      },
    })
    const lines = fs.readFileSync(path.join(cwd, 'lines.yaml'), 'utf8')
    expect(lines).toContain('# The window may be longer: it was not searched further.')
    expect(parse(lines)).toEqual({ lifetimes: JSON.parse(stdout).lifetimes })
  })

  test('spends refresh tokens of logins made elsewhere, and says when they are too few', async () => {
    const { probe, server } = await set({ rotation: 'strict' })
    const two = await refreshTokens(server, 2)
    const flags = ['--yes', '--json', '--refresh-tokens-file']
    const enough = await probe('acme', ...flags, secretFile(two.join('\n')))
    expect(JSON.parse(enough.stdout)).toMatchObject({ replay_class: 'strict', logins: 2 })
    expect(enough.stderr).toContain('It spends up to 2 refresh tokens of logins that must be in use nowhere.')
    const one = await probe('acme', ...flags, secretFile((await refreshTokens(server, 1)).join('\n')))
    expect(one.code).toBe(1)
    expect(JSON.parse(one.stdout).error).toMatchObject({
      code: 'no_refresh_token',
      advice: expect.stringContaining('Two are the least'),
    })
  })
})

test('what is left of the logins is revoked and said so, unless it is to be kept', async () => {
  const { probe, server } = await set({ rotation: 'none' })
  const told = () => server.requests.filter(({ path: asked }) => asked === '/revoke').length
  const kept = await probe('acme', '--yes', '--json', '--keep')
  expect([JSON.parse(kept.stdout).left, told()]).toEqual([{ outcome: 'kept' }, 0])
  const { code, stdout, stderr } = await probe('acme', '--yes', '--json')
  expect(code).toBe(0)
  expect(JSON.parse(stdout).left).toEqual({ outcome: 'revoked', revoked: 2, left: 0 })
  expect(stderr).toContain('What was left of the logins is revoked: 2 tokens.')
  expect(told()).toBe(2)
})

test('a person can consent on another device, each time anew', async () => {
  const { cwd, clock } = await set({ rotation: 'strict' })
  const codes: string[] = []
  const { code, stdout } = await evertokenWithPerson(['provider', 'probe', 'acme', '--yes', '--device'], {
    cwd,
    clock,
    person: () => Promise.reject(new Error('no browser is needed')),
    typist: async (page, userCode) => {
      codes.push(userCode)
      await consentToDevice(page, userCode)
    },
  })
  expect(code).toBe(0)
  expect(parse(stdout).lifetimes).toMatchObject({ rotation: 'always', replay_class: 'strict' })
  expect(new Set(codes).size).toBe(2)
})

describe('nothing is sent to the provider', () => {
  test('where nobody can be asked, with what is at stake', async () => {
    const { probe, server } = await set()
    const { code, stdout, stderr } = await probe('acme')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('may end every login that\nthis client and this person have there')
    expect(stderr).toContain('Say so: evertoken provider probe acme --yes')
    expect(server.requests).toEqual([])
  })

  test('for a client with logins in the configuration, of whatever name', async () => {
    const more = `  other: { provider: ISSUER, client_id: practice-app }
grants:
  home: { client: other, grant_type: authorization_code }
  work: { client: acme, grant_type: authorization_code }
  job: { client: web, grant_type: client_credentials }
`
    const { probe, cwd, server } = await set({}, more)
    const file = path.join(cwd, 'evertoken.yaml')
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replaceAll('ISSUER', server.issuer))
    const { code, stderr } = await probe('acme', '--yes')
    expect(code).toBe(2)
    expect(stderr).toContain('client acme has logins in use, which a probe may end: home, work (usage)')
    expect(stderr).toContain('Register a client of its own')
    expect(server.requests).toEqual([])
  })

  test('for a client with a login in the store', async () => {
    const { probe, cwd, server } = await set()
    const token = secretFile((await refreshTokens(server, 1))[0] ?? '')
    const flags = ['--token-url', server.tokenEndpoint, '--client-id', 'practice-app', '--no-check']
    const added = await evertoken(
      ['add', 'imported', '--type', 'refresh_token', ...flags, '--refresh-token-file', token],
      { cwd },
    )
    expect(added.code).toBe(0)
    const before = server.requests.length
    const { code, stderr } = await probe('acme', '--yes')
    expect(code).toBe(2)
    expect(stderr).toContain('client acme has logins in use, which a probe may end: imported')
    expect(server.requests.length).toBe(before)
  })

  test('for a client with a login that does not decrypt; that of another client is in nobody’s way', async () => {
    const { probe, cwd, server } = await set({ rotation: 'none' })
    const add = (name: string, ...client: string[]) =>
      evertoken(
        [
          ...['add', name, '--type', 'refresh_token', '--issuer', server.issuer, '--no-check'],
          ...['--refresh-token-file', secretFile('some-token'), ...client],
        ],
        { cwd },
      )
    const damage = () => {
      const database = new DatabaseSync(path.join(cwd, '.evertoken', 'evertoken.db'))
      database.exec(`UPDATE grants SET definition = zeroblob(length(definition))`)
      database.close()
    }
    expect((await add('other', '--client-id', 'somebody-else')).code).toBe(0)
    damage()
    expect((await probe('acme', '--yes')).code).toBe(0)
    expect((await add('work', '--client-id', 'practice-app')).code).toBe(0)
    damage()
    const { code, stderr } = await probe('acme', '--yes')
    expect(code).toBe(2)
    expect(stderr).toContain('client acme has logins in use, which a probe may end: work (usage)')
  })

  test.each([
    [['amce'], 'there is no client "amce"', 'Did you mean acme?'],
    [['nobody'], 'there is no client "nobody"', 'The clients are acme, web, gone.'],
    [['acme', '--config', 'gone.yaml'], 'there is no such configuration file', 'Check the path'],
    [['acme', '--output', 'evertoken.yaml'], 'evertoken.yaml is there already', 'not there'],
    [['acme', '--output', 'none/lines.yaml'], 'there is no folder', 'Make it'],
    [['acme', '--longest-window', '0s'], 'the longest window must be from 1 to 86400 seconds, not 0', ''],
    [['acme', '--most-logins', '1'], 'the number of logins must be from 2 to 100, not 1', ''],
    [['acme', '--longest-window', 'long'], 'It is a duration', ''],
    [['acme', '--refresh-tokens-file', 'gone.txt'], 'gone.txt', ''],
    [['acme', '--refresh-tokens-file', 'x', '--device'], 'cannot be used with', ''],
  ])('with %j', async (args, said, advice) => {
    const { probe, server } = await set()
    const { code, stdout, stderr } = await probe(args[0] ?? '', ...args.slice(1), '--yes')
    expect(code).not.toBe(0)
    expect(stdout).toBe('')
    expect(stderr).toContain(said)
    expect(stderr).toContain(advice)
    expect(server.requests.filter((request) => request.path === '/token')).toEqual([])
  })

  test('where a file of refresh tokens holds one twice, is none, or can be read by everybody', async () => {
    const { probe, server } = await set()
    const twice = await probe('acme', '--yes', '--refresh-tokens-file', secretFile('one\ntwo\none'))
    expect(twice.stderr).toMatch(/refresh token 3 of \S+ is there twice/)
    expect(twice.stderr).not.toContain('one\n')
    const open = await probe('acme', '--yes', '--refresh-tokens-file', secretFile('one', 0o644))
    expect(open.stderr).toContain('(key_file_too_open)')
    for (const [text, said] of [
      ['', 'the file of refresh tokens'],
      ['one\nt\u00f6ken', 'line 2 of'],
      [Array.from({ length: 101 }, (_, at) => `token-${at}`).join('\n'), 'has 101 lines'],
    ] as const) {
      const { code, stderr } = await probe('acme', '--yes', '--refresh-tokens-file', secretFile(text))
      expect(code).toBe(2)
      expect(stderr).toContain(said)
      expect(stderr).toContain('one refresh token')
    }
    expect(server.requests).toEqual([])
  })
})

test('a wrong client secret and a dead provider end the probe with what to do', async () => {
  const { probe } = await set()
  const wrong = await probe('web', '--yes')
  expect(wrong.code).toBe(1)
  expect(wrong.stderr).toContain('(invalid_client)')
  const tokens = ['--refresh-tokens-file', secretFile('one\ntwo')]
  const dead = await probe('gone', '--yes', ...tokens)
  expect(dead.code).toBe(4)
  expect(dead.stderr).toMatch(
    /no answer from the token endpoint \(.*\), so the measurement ends here \(provider_unreachable\)/,
  )
  expect(dead.stderr).toContain('Check the address and the network')
})

test('an interruption ends the wait for a window', async () => {
  const { server, cwd, clock } = await set({ rotation: 'fork', reuseWindow: 600 })
  const interrupted = new AbortController()
  const { Interruption } = await import('../../src/cli/environment.ts')
  const { code } = await evertokenWithPerson(['provider', 'probe', 'acme', '--yes', '--no-open'], {
    cwd,
    clock,
    signal: interrupted.signal,
    person: async (link) => {
      if (clock.waits.some((ms) => ms > 1_000)) interrupted.abort(new Interruption('SIGINT'))
      return server.consent(link)
    },
  })
  expect(code).toBe(130)
})
