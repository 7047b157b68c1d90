// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what people write into the file
import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { acme, configured, mistakeIn, temporaryFolder } from './configured.ts'

const withFile = (file: string) => acme().replace('client_secret: hunter2', `client_secret_file: ${file}`)

function written(name: string, text: string, mode = 0o600): string {
  const folder = temporaryFolder()
  fs.writeFileSync(path.join(folder, name), text, { mode })
  fs.chmodSync(path.join(folder, name), mode)
  return folder
}

const secretsOf = (authentication: object) =>
  ['secret', 'secondSecret'].map((name) =>
    (authentication as Record<string, { reveal(): string } | undefined>)[name]?.reveal(),
  )

describe('a list of client secrets', () => {
  const withList = (list: string) => acme().replace('client_secret: hunter2', `client_secret: ${list}`)

  test('is the one in use and the one that takes its place, from the environment too', () => {
    const environment = { OLD: 'in-use', NEW: 'next' }
    const [grant] = configured(withList('["${OLD}", "${NEW}"]'), environment).grants
    expect(secretsOf(grant!.definition.client.authentication)).toEqual(['in-use', 'next'])
  })

  test.each([
    ['[]', 'invalid_configuration', 'clients.acme.client_secret: this list is empty'],
    [
      '[a, b, c]',
      'invalid_configuration',
      'clients.acme.client_secret: this list holds 3, and at most 2 may be',
    ],
    ['[a, ""]', 'empty_secret', 'clients.acme.client_secret.1: this secret is empty'],
    ['[a, ]', 'ok', ''],
    ['[a, null]', 'empty_secret', 'clients.acme.client_secret.1: this secret is empty'],
    ['[a, 271828]', 'invalid_configuration', 'clients.acme.client_secret.1: found a number, expected a text'],
    [
      '{ a: b }',
      'invalid_configuration',
      'clients.acme.client_secret: found a map of keys, expected a text or a list',
    ],
    ['""', 'empty_secret', 'clients.acme.client_secret: this secret is empty'],
    ['', 'empty_secret', 'clients.acme.client_secret: this secret is empty'],
  ])('written as %s is %s', (list, code, problem) => {
    if (code === 'ok') expect(configured(withList(list)).grants).toHaveLength(1)
    else
      expect(mistakeIn(withList(list))).toMatchObject({
        code,
        line: 5,
        message: `evertoken.yaml:5: ${problem}`,
      })
  })
})

describe('a secret in a file of its own', () => {
  test('is read without its line end, from beside the configuration', () => {
    const folder = written('acme.secret', 'from-a-file\n')
    const { authentication } = configured(withFile('acme.secret'), {}, folder).grants[0]!.definition.client
    expect('secret' in authentication && authentication.secret.reveal()).toBe('from-a-file')
  })

  test('may hold two client secrets, one a line, while one is being rotated', () => {
    const folder = written('acme.secret', 'in-use\r\n\n  next \n')
    const { authentication } = configured(withFile('acme.secret'), {}, folder).grants[0]!.definition.client
    expect(secretsOf(authentication)).toEqual(['in-use', 'next'])
  })

  test('that holds three client secrets is refused', () => {
    const folder = written('acme.secret', 'a\nb\nc\n')
    expect(mistakeIn(withFile('acme.secret'), {}, folder)).toMatchObject({
      code: 'invalid_configuration',
      line: 2,
      message: 'evertoken.yaml:2: clients.acme: client_secret is a list of 3, not of one or two',
    })
  })

  test('may be named by a variable and an absolute path', () => {
    const folder = written('acme.secret', 'from-a-file')
    const environment = { SECRETS: folder }
    expect(configured(withFile('${SECRETS}/acme.secret'), environment).grants).toHaveLength(1)
  })

  test.skipIf(process.platform === 'win32')('that others may read is refused', () => {
    const folder = written('acme.secret', 'canary', 0o644)
    const error = mistakeIn(withFile('acme.secret'), {}, folder)
    expect(error).toMatchObject({
      code: 'key_file_too_open',
      line: 5,
      message:
        'evertoken.yaml:5: clients.acme.client_secret_file: the key file acme.secret can be read by others (mode 0644)',
    })
    expect(error.advice).toBe(`chmod 600 ${path.join(folder, 'acme.secret')}`)
  })

  test('that is not there is refused', () => {
    expect(mistakeIn(withFile('nowhere'))).toMatchObject({
      code: 'key_file_unreadable',
      line: 5,
      message: 'evertoken.yaml:5: clients.acme.client_secret_file: the key file nowhere cannot be read',
    })
  })

  test('that is empty is refused', () => {
    expect(mistakeIn(withFile('acme.secret'), {}, written('acme.secret', ' \n'))).toMatchObject({
      code: 'empty_secret',
      line: 5,
    })
  })

  test('cannot be given twice', () => {
    expect(mistakeIn(acme({ client: '    client_secret_file: x\n' }))).toMatchObject({
      code: 'invalid_configuration',
      line: 6,
      message: 'evertoken.yaml:6: clients.acme.client_secret_file: client_secret is given as well',
    })
  })

  test('may be a refresh token or a signing key', () => {
    const folder = written('rt', 'rt-1\n')
    fs.writeFileSync(path.join(folder, 'key'), 'shared\n', { mode: 0o600 })
    const grants = `
  moved: { client: acme, grant_type: refresh_token, refresh_token_file: rt }
  robot: { client: acme, grant_type: jwt_bearer, assertion: { issuer: me, key: { algorithm: HS256, key_file: key } } }
`
    const [, moved, robot] = configured(acme() + grants, {}, folder).grants
    expect(moved!.definition.refreshToken!.reveal()).toBe('rt-1')
    expect(robot!.definition.assertion!.key.key.reveal()).toBe('shared')
  })

  test('is missing where neither is given', () => {
    const grants =
      '  robot: { client: acme, grant_type: jwt_bearer, assertion: { issuer: me, key: { algorithm: HS256 } } }\n'
    expect(mistakeIn(acme() + grants)).toMatchObject({
      code: 'invalid_configuration',
      line: 10,
      message: 'evertoken.yaml:10: grants.robot.assertion.key: neither key nor key_file is given',
    })
  })
})

describe('a client assertion in a file', () => {
  const withAssertion = (line = '    client_assertion_file: tokens/provider\n') =>
    acme({ client: line }).replace('    client_secret: hunter2\n', '')

  test('is only named: it need not be there yet, and counts from beside the configuration', () => {
    const folder = temporaryFolder()
    const { authentication } = configured(withAssertion(), {}, folder).grants[0]!.definition.client
    expect(authentication).toEqual({
      method: 'private_key_jwt',
      assertionFile: path.join(folder, 'tokens/provider'),
    })
  })

  test('takes the place of a secret', () => {
    expect(mistakeIn(acme({ client: '    client_assertion_file: token\n' }))).toMatchObject({
      code: 'invalid_configuration',
      line: 2,
      message: 'evertoken.yaml:2: clients.acme: client_secret has no effect with client_assertion_file',
      advice: 'The platform signs, and says for whom: keep one of the two.',
    })
  })
})

describe('tls', () => {
  test('reads certificate and key, and serves https from then on', () => {
    const folder = written('key.pem', 'THE KEY\n')
    fs.writeFileSync(path.join(folder, 'cert.pem'), 'THE CERTIFICATE\n')
    const { tls, publicUrl } = configured('tls: { cert: cert.pem, key: key.pem }', {}, folder)
    expect(tls!.cert).toBe('THE CERTIFICATE\n')
    expect(tls!.key.reveal()).toBe('THE KEY')
    expect(publicUrl).toBe('https://127.0.0.1:7420')
  })

  test('refuses a key that others may read, and a certificate that is not there', () => {
    const folder = written('key.pem', 'THE KEY\n', 0o640)
    fs.writeFileSync(path.join(folder, 'cert.pem'), 'THE CERTIFICATE\n')
    expect(mistakeIn('tls: { cert: cert.pem, key: key.pem }', {}, folder)).toMatchObject({
      code: 'key_file_too_open',
      line: 1,
    })
    expect(mistakeIn('tls: { cert: nowhere.pem, key: key.pem }', {}, folder).message).toBe(
      'evertoken.yaml:1: tls.cert: the certificate file nowhere.pem cannot be read',
    )
  })
})
