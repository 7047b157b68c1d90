// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what people write into the file
import fs from 'node:fs'
import path from 'node:path'
import { catalogueIds, catalogueProfile } from 'evertoken/providers'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { evertoken, folder, start } from './command.ts'
import { provider } from './practice.ts'

/** A folder with a profile in it. */
function written(text: string, name = 'acme.yaml'): string {
  const cwd = folder()
  fs.writeFileSync(path.join(cwd, name), text)
  return cwd
}

describe('evertoken provider list', () => {
  test('shows the catalogue, and what is only recalled as unverified', async () => {
    const { code, stdout } = await evertoken(['provider', 'list'])
    expect(code).toBe(0)
    expect(stdout.split('\n')[0]).toMatch(/^ID +NAME +ROTATION +FACTS$/)
    for (const id of catalogueIds()) expect(stdout).toMatch(new RegExp(`^${id} `, 'm'))
    const recalled = catalogueIds().filter((id) => catalogueProfile(id)?.facts?.confidence === 'recalled')
    expect(stdout.match(/unverified$/gm) ?? []).toHaveLength(recalled.length)
  })

  test('only what has a text in it, for programs too', async () => {
    const { code, stdout } = await evertoken(['provider', 'list', 'QUART', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toEqual({
      providers: [{ id: 'quartile', name: 'Quartile', rotation: 'always', confidence: 'read' }],
    })
    const nothing = await evertoken(['provider', 'list', 'nobody-has-this'])
    expect(nothing).toMatchObject({ code: 0, stdout: '' })
    expect(nothing.stderr).toContain('No provider has "nobody-has-this"')
  })
})

describe('evertoken provider show', () => {
  test('says everything about one in words', async () => {
    const text = `
name: Acme
token_url: https://{tenant}.acme.example/token
variables: { tenant: { description: Yours., example: eu, hosts: ['*.acme.example'] } }
client_authentication: client_secret_post
requests: { refresh: { body: json, rename: { client_id: client_key }, parameters: { scope: null, a: b }, headers: { x-y: z } } }
answer: { access_token: /data/token, expiry: [/data/at, /data/in], expiry_format: epoch_ms, success: { pointer: /ok, equals: true } }
errors: [{ status: 400, code: bad_token, means: dead }]
lifetimes: { rotation: sometimes, minimum_age: 60, refresh_token_idle: 86400 }
consent: { offline_scope: offline, pkce: none }
api: { header: X-Token, scheme: '' }
registration: { url: https://acme.example/apps, steps: [Make an app.], traps: [It dies.] }
facts: { confidence: recalled, sources: [], checked: '2026-11-25' }
`
    const { code, stdout } = await evertoken(['provider', 'show', 'acme.yaml'], { cwd: written(text) })
    expect(code).toBe(0)
    for (const line of [
      /^id +acme$/m,
      /^facts +unverified: recalled, and not checked against any source, 2026-11-25$/m,
      /^token +https:\/\/\{tenant\}\.acme\.example\/token$/m,
      /^client +authenticates by client_secret_post$/m,
      /^variables +tenant: Yours\. \(for example eu; only \*\.acme\.example\)$/m,
      /^register at +https:\/\/acme\.example\/apps$/m,
      /^steps +1\. Make an app\.$/m,
      /^traps +It dies\.$/m,
      /^tokens +a refresh may bring another refresh token$/m,
      /^ +a refresh token dies unused after 1 d$/m,
      /^requests +refresh: as JSON, without scope, with a=b, client_id is called client_key, with the header x-y: z$/m,
      /^answers +access token at \/data\/token$/m,
      /^ +expiry at \/data\/at, else \/data\/in$/m,
      /^ +an error unless \/ok is true, whatever the status$/m,
      /^errors +status 400 and code bad_token: the login has ended, believed after confirmation$/m,
      /^consent +no refresh token comes without the scope offline$/m,
      /^ +without PKCE$/m,
      /^api +wants the token as X-Token: TOKEN$/m,
    ])
      expect(stdout).toMatch(line)
  })

  test.each([
    ['--json', (text: string): unknown => JSON.parse(text)],
    ['--yaml', (text: string): unknown => parse(text)],
  ])('prints the profile itself with %s, to be pasted', async (flag, read) => {
    const { code, stdout } = await evertoken(['provider', 'show', 'google', flag])
    expect(code).toBe(0)
    expect(read(stdout)).toEqual(catalogueProfile('google'))
    const cwd = written(stdout, 'pasted.yaml')
    expect(await evertoken(['provider', 'check', 'pasted.yaml'], { cwd })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        /^google: a sound profile of Google\nUse it: .* --profile-file pasted\.yaml, .* google: \{ profile_file: pasted\.yaml \}\n$/,
      ),
    })
  })
})

describe('evertoken provider check', () => {
  test.each([
    ['token_url: https://a.example/token\n', 'add'],
    ['token_url: https://a.example/token\nauthorization_url: https://a.example/authorize\n', 'login'],
  ])('says of %j by which command it is used', async (text, command) => {
    const { stdout } = await evertoken(['provider', 'check', './acme.yaml'], { cwd: written(text) })
    expect(stdout).toContain(`Use it: evertoken ${command} NAME --profile-file acme.yaml`)
  })

  test.each([
    [
      'token_url: https://a.example\nanwser: {}\n',
      'acme.yaml:2: anwser: there is no such key',
      'Did you mean answer?',
    ],
    ['extends: googel\n', 'acme.yaml:1: extends: there is no provider "googel"', 'Did you mean google?'],
    ['profile_file: gone.yaml\n', 'acme.yaml:1: profile_file: there is no file', 'Check the path'],
    [
      'extends: acme\nprofile_file: acme.yaml\n',
      'acme.yaml:2: profile_file: extends is given as well',
      'Keep one',
    ],
    ['profile_file: acme.yaml\n', 'acme.yaml:1: profile_file: this profile extends itself', 'extend nothing'],
    ['token_url: [\n', 'acme.yaml:2: this is not YAML', ''],
    [
      'api: { header: "${HOME}" }\n',
      'acme.yaml:1: api.header: nothing comes from the environment here',
      'variable',
    ],
  ])('says of %j where it is wrong, and what to do', async (text, said, advice) => {
    const { code, stdout, stderr } = await evertoken(['provider', 'check', './acme.yaml'], {
      cwd: written(text),
    })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(said)
    expect(stderr).toContain(advice)
  })

  test('says the same to programs, and of names that nobody has', async () => {
    const { code, stdout } = await evertoken(['provider', 'check', 'googel', '--json'])
    expect(code).toBe(2)
    expect(JSON.parse(stdout).error).toMatchObject({
      code: 'invalid_configuration',
      message: 'there is no provider "googel"',
      advice: 'Did you mean google?',
    })
    const gone = await evertoken(['provider', 'check', './gone.yaml'], { cwd: folder() })
    expect(gone.code).toBe(2)
    expect(gone.stderr).toMatch(/there is no file \S+gone\.yaml/)
  })

  test('asks with --online whether addresses answer and the issuer agrees, and sends no secret', async () => {
    const server = await provider()
    const profile = (more: string) => `
issuer: ${server.issuer}
token_url: ${server.tokenEndpoint}
revocation_url: ${server.issuer}/elsewhere
userinfo_url: ${server.issuer}/{tenant}
requests: { all: { headers: { x-key: '{key}' } } }
variables: { tenant: { description: Yours. }, key: { description: Yours., secret: true, default: s3cret } }
${more}`
    const args = ['provider', 'check', 'acme.yaml', '--online']
    const fine = await evertoken(args, { cwd: written(profile('')) })
    expect(fine.code).toBe(0)
    expect(fine.stdout).toMatch(/^issuer +\S+ +publishes metadata and calls itself so$/m)
    expect(fine.stdout).toMatch(/^token_url +\S+ +answers \(status \d+\)$/m)
    expect(fine.stdout).toMatch(/^revocation_url .*answers \(status 404\); the issuer names \S+$/m)
    expect(fine.stdout).toMatch(/^userinfo_url .*not asked: tenant has no default or example to try$/m)
    expect(fine.stdout).not.toContain('s3cret')
    // Nothing listens on the discard port of this machine, and browsers may not even try it.
    const wrong = await evertoken([...args, '--json'], {
      cwd: written(profile('introspection_url: http://127.0.0.1:9/x')),
    })
    expect(wrong.code).toBe(4)
    expect(JSON.parse(wrong.stdout).error).toMatchObject({
      code: 'provider_unreachable',
      message: expect.stringMatching(/^acme: introspection_url: does not answer: /),
    })
  })
})

describe('what the nearest evertoken.yaml has under providers', () => {
  const yaml = (more = '') => `
clients: { c: { provider: acme, client_id: x, client_secret: "\${NOT_SET_HERE}" } }
providers:
  acme:
    name: Acme
    token_url: https://{tenant}.acme.example/token
    authorization_url: https://{tenant}.acme.example/authorize
    variables: { tenant: { description: Your door., example: eu } }
    registration: { steps: [Make an app at Acme.] }
  google: { extends: google, revocation_url: null }
${more}`
  /** A folder below the one with the file. */
  const below = (text: string) => {
    const cwd = path.join(written(text, 'evertoken.yaml'), 'deep')
    fs.mkdirSync(cwd)
    return cwd
  }

  test('is listed and shown as yours, before the catalogue', async () => {
    const cwd = below(yaml())
    const file = path.join(path.dirname(cwd), 'evertoken.yaml')
    const { stdout } = await evertoken(['provider', 'list'], { cwd })
    expect(stdout).toMatch(/^acme +Acme +- +yours, evertoken\.yaml$/m)
    expect(stdout.match(/^google .*$/gm)).toEqual([expect.stringMatching(/yours, evertoken\.yaml$/)])
    const listed = await evertoken(['provider', 'list', 'acme', '--json'], { cwd })
    expect(JSON.parse(listed.stdout)).toEqual({ providers: [{ id: 'acme', name: 'Acme', file }] })
    const shown = await evertoken(['provider', 'show', 'acme'], { cwd })
    expect(shown.stdout).toContain(`yours          ${file}\n`)
    expect(shown.stdout).not.toContain('unverified')
  })

  test('is checked all at once, and what is wrong has its line', async () => {
    const cwd = path.dirname(below(yaml()))
    expect(await evertoken(['provider', 'check', 'evertoken.yaml'], { cwd })).toMatchObject({
      code: 0,
      stdout: 'acme: a sound profile of Acme\ngoogle: a sound profile of Google\n',
    })
    const wrong = path.dirname(below(yaml('  other: { token_url: https://a.example/t, anwser: {} }\n')))
    const { code, stderr } = await evertoken(['provider', 'check', 'evertoken.yaml'], { cwd: wrong })
    expect(code).toBe(2)
    expect(stderr).toMatch(/evertoken\.yaml:11: providers\.other\.anwser: there is no such key/)
    expect(stderr).toContain('Did you mean answer?')
  })

  test('is a provider to log in at, by its name', async () => {
    const cwd = below(yaml())
    const data = folder()
    const missing = await evertoken(['login', 'acme', '--as', 'work', '--client-id', 'a', '--data', data], {
      cwd,
    })
    expect(missing.code).toBe(2)
    expect(missing.stderr).toContain('A client at Acme is made:\n  1. Make an app at Acme.')
    expect(missing.stderr).toContain('--variable tenant=eu is missing')
    const args = ['--client-id', 'a', '--variable', 'tenant=eu', '--paste', '--data', data]
    const begun = start(['login', 'acme', '--as', 'work', ...args], { cwd })
    await begun.says(/^ {2}https:\/\/eu\.acme\.example\/authorize\?/m)
    begun.child.kill()
    expect((await evertoken(['show', 'work', '--data', data])).stdout).toContain(
      'provider      eu.acme.example',
    )
  }, 60_000)
})

test('a profile in a file is a provider to log in at', async () => {
  const cwd = written('token_url: https://zed.example/t\nauthorization_url: https://zed.example/a\n', 'zed')
  const args = ['--client-id', 'a', '--paste', '--data', folder()]
  const begun = start(['login', 'other', '--profile-file', 'zed', ...args], { cwd })
  await begun.says(/^ {2}https:\/\/zed\.example\/a\?/m)
  begun.child.kill()
}, 60_000)

describe('evertoken login --provider', () => {
  test('says first how a client is made there and what surprises people, and then asks for it', async () => {
    const { registration } = catalogueProfile('google')!
    const { code, stdout, stderr } = await evertoken([
      'login',
      'work',
      '--provider',
      'google',
      '--data',
      folder(),
    ])
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    for (const text of [...registration!.steps!, ...registration!.traps!]) expect(stderr).toContain(text)
    expect(stderr).toContain(`A client at Google is made at ${registration!.url}:\n  1. `)
    expect(stderr).toMatch(/Beware:/)
    expect(stderr).toContain('--client-id is missing')
  })

  test('warns of what was never checked', async () => {
    const recalled = catalogueIds().find((id) => catalogueProfile(id)?.facts?.confidence === 'recalled')!
    const { stderr } = await evertoken(['login', 'work', '--provider', recalled, '--data', folder()])
    expect(stderr).toContain(
      `unverified: what is known of ${catalogueProfile(recalled)!.name} was never checked against a source`,
    )
  })

  test.each([
    [['--provider', 'googel'], 'there is no provider "googel"', 'Did you mean google?'],
    [['--provider', 'google', '--issuer', 'https://a.example'], 'cannot be used with', ''],
    [
      ['--provider', 'quartile', '--variable', 'subscription_key=k'],
      'subscription_key is a secret',
      '--variable-env subscription_key=VARIABLE',
    ],
    [
      ['--provider', 'quartile', '--variable-env', 'subscription_key=NOBODY_SET_THIS'],
      'the environment variable NOBODY_SET_THIS is not set',
      'subscription_key',
    ],
  ])('with %j is refused', async (flags, said, advice) => {
    const { code, stderr } = await evertoken(['login', 'work', ...flags, '--data', folder()])
    expect(code).toBe(2)
    expect(stderr).toContain(said)
    expect(stderr).toContain(advice)
  })
})

test('evertoken login of a configured grant says the same, as long as nobody has consented, and needs none of the secrets', async () => {
  const server = await provider()
  const cwd = written(
    'clients: { g: { provider: google, client_id: abc, client_secret: "${NOT_SET_HERE}" } }\ngrants: { work: { client: g, grant_type: authorization_code } }\n',
    'evertoken.yaml',
  )
  const flags = ['--issuer', server.issuer, '--client-id', 'practice-app', '--scope', 'offline_access']
  const added = await evertoken(['add', 'work', '--type', 'authorization_code', ...flags], { cwd })
  expect(added.code).toBe(0)
  const [trap] = catalogueProfile('google')!.registration!.traps!
  for (const first of [true, false]) {
    const running = start(['login', 'work', '--paste'], { cwd })
    const [, link = ''] = await running.says(/^ {2}(http\S+\/authorize\?\S+)$/m)
    running.type(`${await server.consent(link)}\n`)
    const { code, stderr } = await running.ended
    expect(code).toBe(0)
    expect(stderr.includes(trap!)).toBe(first)
  }
})
