import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { readConfiguration } from '../../src/config/configuration.ts'
import { acme, configured, mistakeIn, temporaryFolder } from './configured.ts'

/** Code, line and message of the mistake, as one sees them. */
const told = (yaml: string | Uint8Array, environment: Record<string, string> = {}) => {
  const { code, line, message } = mistakeIn(yaml, environment)
  return [code, line, message]
}

// It was told at the first refresh, and `evertoken serve` had started with it.
test.each([
  ['http://auth.acme.example', 3, 'provider: issuer http://auth.acme.example is plain http'],
  [
    '{ token_url: http://auth.acme.example/token }',
    3,
    'provider: token_url http://auth.acme.example is plain http',
  ],
  ['http://10.0.0.1', 3, 'provider: issuer http://10.0.0.1 is plain http'],
])('a provider over plain http is told when the file is read: %s', (provider, line, problem) => {
  const client = `clients:\n  acme:\n    provider: ${provider}\n    client_id: abc\n`
  const grant = 'grants:\n  billing: { client: acme, grant_type: client_credentials }\n'
  expect(mistakeIn(client + grant)).toMatchObject({
    code: 'insecure_http',
    line,
    message: `evertoken.yaml:${line}: clients.acme.${problem}`,
    advice: expect.stringMatching(/^Use https\. insecure_http: true on the client/),
  })
  expect(configured(`${client}    insecure_http: true\n${grant}`).grants).toHaveLength(1)
})

describe('an unknown key', () => {
  test('is refused with its line and the key that was meant', () => {
    const error = mistakeIn(acme({ client: '    client_secrt: x\n' }))
    expect(error).toMatchObject({
      code: 'unknown_key',
      line: 6,
      message: 'evertoken.yaml:6: clients.acme.client_secrt: there is no such key',
      advice: 'Did you mean client_secret?',
    })
    expect(path.basename(error.file!)).toBe('evertoken.yaml')
  })

  test.each([
    ['listn: 127.0.0.1:7420', 'listn', 'Did you mean listen?'],
    ['publicUrl: https://x.example', 'publicUrl', 'Did you mean public_url?'],
    ['tls: { crt: a.pem, key: b.pem }', 'tls.crt', 'Did you mean cert?'],
    ['<<: { listen: x }', '<<', expect.stringContaining('The keys here are listen, public_url, store,')],
    ['__proto__: { listen: x }', '__proto__', expect.stringContaining('The keys here are')],
  ])('%s', (yaml, place, advice) => {
    expect(mistakeIn(yaml)).toMatchObject({
      code: 'unknown_key',
      message: `evertoken.yaml:1: ${place}: there is no such key`,
      advice,
    })
  })

  test('is found deep inside a grant', () => {
    const grant = '    assertion:\n      issuer: me\n      key: { algorithm: HS256, kye: x }\n'
    expect(told(acme({ grant }))).toEqual([
      'unknown_key',
      12,
      'evertoken.yaml:12: grants.billing.assertion.key.kye: there is no such key',
    ])
  })
})

describe('a wrong value', () => {
  test.each([
    ['listen: 7420', 'listen: found the number 7420, expected a text'],
    ['behind_tls_proxy: "yes"', 'behind_tls_proxy: found the text "yes", expected true or false'],
    ['store: [a]', 'store: found a list, expected a text'],
    ['grants: []', 'grants: found a list, expected a map of keys'],
    ['clients:', 'clients: found nothing, expected a map of keys'],
    [
      'clients: { a: { provider: 7 } }',
      'clients.a.provider: found the number 7, expected an issuer URL, the id of a provider or a map of keys',
    ],
    ['clients: { a: { provider: acme } }', 'clients.a.provider: there is no provider "acme"'],
    [
      'clients: { a: { provider: "file:///etc/passwd" } }',
      'clients.a.provider: found the text "file:///etc/passwd", expected an https URL',
    ],
    [
      'clients: { a: {} }',
      'clients.a: provider is missing, expected an issuer URL, the id of a provider or a map of keys',
    ],
    ['encryption: { keys: [] }', 'encryption.keys: this list is empty'],
    ['encryption: { keys: [{ id: a }] }', 'encryption.keys.0: file is missing, expected a text'],
    [
      'encryption: { keys: [{ id: a, file: x }, { id: a, file: y }] }',
      'encryption.keys.1.id: there are two keys with the id a',
    ],
    ['listen: localhost', 'listen: found "localhost", expected a host and a port'],
    ['listen: 127.0.0.1:70000', 'listen: found "127.0.0.1:70000", expected a host and a port'],
    ['listen: "::1:7420"', 'listen: found "::1:7420", expected a host and a port'],
    [
      'public_url: https://x.example/evertoken',
      'public_url: expected an origin: a scheme, a host and perhaps a port',
    ],
    ['store: /var/lib/x.db', 'store: expected sqlite: and the path of a file, or a postgres:// URL'],
    ['store: mysql://me@db/x', 'store: expected sqlite: and the path of a file, or a postgres:// URL'],
    [
      'store: postgres://me:pass@[db/x',
      'store: expected sqlite: and the path of a file, or a postgres:// URL',
    ],
    ['data_folder: x', 'data_folder: an SQLite store keeps everything beside its file'],
    ['- listen', 'found a list, expected a map of keys'],
    ['42', 'found the number 42, expected a map of keys'],
  ])('%s', (yaml, problem) => {
    expect(mistakeIn(yaml)).toMatchObject({
      code: 'invalid_configuration',
      message: expect.stringMatching(/^evertoken\.yaml(:1)?: /),
    })
    expect(mistakeIn(yaml).message.replace(/^evertoken\.yaml(:1)?: /, '')).toBe(problem)
  })

  test('where a number is wanted its unit is said', () => {
    const { advice } = mistakeIn(acme({ grant: '    refresh_before: 1h\n' }))
    expect(advice).toMatch(/^Seconds/)
  })

  test.each([
    ['refresh_before: soon', 'refresh_before: found the text "soon", expected a number'],
    ['refresh_before: -1', 'refresh_before: found -1, expected a number from 0 to 10000000000'],
    ['refresh_before: .nan', 'refresh_before: found NaN, expected a number from 0 to 10000000000'],
    [
      'replay_class: strickt',
      'replay_class: found the text "strickt", expected one of strict, idempotent, last_child_wins, fork, non_rotating',
    ],
    ['labels: { team: 7 }', 'labels.team: found the number 7, expected a text'],
    ['labels: money', 'labels: found the text "money", expected a map of keys'],
    ['scope: 7', 'scope: found the number 7, expected a text or a list'],
    ['scope: [read, 7]', 'scope.1: found the number 7, expected a text'],
    ['metadata: instance_url', 'metadata: found the text "instance_url", expected a list'],
    [
      'refresh_token: x',
      'refresh_token: only a grant of type refresh_token has this, not client_credentials',
    ],
    [
      'authorization_parameters: {}',
      'authorization_parameters: only a grant of type authorization_code has this, not client_credentials',
    ],
  ])('of a grant: %s', (line, problem) => {
    expect(told(acme({ grant: `    ${line}\n` }))).toEqual([
      'invalid_configuration',
      10,
      `evertoken.yaml:10: grants.billing.${problem}`,
    ])
  })

  test.each([
    ['    replay_clas: fork\n', 6, 'replay_clas: there is no such key', 'Did you mean replay_class?'],
    [
      '    refresh: never\n',
      6,
      'refresh: found the text "never", expected one of ahead, on_demand',
      undefined,
    ],
    [
      '    introspection: "yes"\n',
      6,
      'introspection: found the text "yes", expected true or false',
      undefined,
    ],
    [
      '    quiescence: 14.5\n',
      6,
      'quiescence: found 14.5, expected a number from 15 to 10000000000',
      undefined,
    ],
    ['    canary: me\n', 6, 'canary: found the text "me", expected an https URL', undefined],
    [
      '    refresh_rate: 0\n',
      6,
      'refresh_rate: refresh_rate must be a number of requests a second above 0, not 0',
      undefined,
    ],
    [
      '    old_token_dies: false\n    canary: https://api.example/me\n',
      7,
      'canary: canary says nothing where the old access token lives on',
      expect.stringMatching(/^Set old_token_dies if/),
    ],
    [
      '    refresh_before: 5\n    refresh_token_idle: 0\n',
      7,
      'refresh_token_idle: refresh_token_idle must be more than 0 seconds',
      undefined,
    ],
  ])('of a client: %j', (client, line, problem, advice) => {
    expect(mistakeIn(acme({ client }))).toMatchObject({
      code: expect.stringMatching(/^(invalid_configuration|unknown_key)$/),
      line,
      message: `evertoken.yaml:${line}: clients.acme.${problem}`,
      advice,
    })
  })

  test('of the replay class is told where the class or its window was written', () => {
    const login = (client: string, grant: string) =>
      acme({ client, grant: `    refresh_token: rt\n${grant}` }).replace(
        'client_credentials',
        'refresh_token',
      )
    expect(told(login('    replay_class: fork\n', ''))).toEqual([
      'invalid_configuration',
      6,
      'evertoken.yaml:6: clients.acme.replay_class: replay_class fork needs a reuse_window',
    ])
    expect(told(login('', '    replay_class: fork\n'))).toEqual([
      'invalid_configuration',
      11,
      'evertoken.yaml:11: grants.billing.replay_class: replay_class fork needs a reuse_window',
    ])
    expect(told(login('    reuse_window: 30\n', ''))).toEqual([
      'invalid_configuration',
      6,
      'evertoken.yaml:6: clients.acme.reuse_window: reuse_window has no effect with replay_class strict',
    ])
  })

  test('that lost its quotes is told so', () => {
    expect(mistakeIn('clients:\n  a:\n    provider: https://a.example\n    client_id: 12345')).toMatchObject({
      line: 4,
      advice: 'Put it in quotes.',
    })
  })

  test('whose neighbour is known names it', () => {
    expect(mistakeIn(acme().replace('client_credentials', 'client_credential')).advice).toBe(
      'Did you mean client_credentials?',
    )
  })

  test('under a secret key is never repeated', () => {
    const yaml = acme().replace('hunter2', '314159265')
    expect(told(yaml)).toEqual([
      'invalid_configuration',
      5,
      'evertoken.yaml:5: clients.acme.client_secret: found a number, expected a text or a list',
    ])
  })

  test('nested without end is refused, not followed', () => {
    const grant = `    assertion: { issuer: a, key: { algorithm: HS256, key: k }, claims: ${'{a: '.repeat(20)}1${'}'.repeat(20)} }\n`
    const yaml = acme({ grant }).replace('client_credentials', 'jwt_bearer')
    expect(told(yaml)).toEqual([
      'invalid_configuration',
      10,
      expect.stringMatching(/claims.* nested more than 8 deep$/),
    ])
  })
})

describe('a grant', () => {
  test('of a client that is not there names the one that was meant', () => {
    const yaml = acme().replace('client: acme', 'client: acne')
    expect(mistakeIn(yaml)).toMatchObject({
      code: 'invalid_configuration',
      line: 8,
      message: 'evertoken.yaml:8: grants.billing.client: there is no client "acne"',
      advice: 'Did you mean acme?',
    })
  })

  test('without any client is told to describe one', () => {
    const yaml = 'grants:\n  a:\n    client: acme\n    grant_type: client_credentials\n'
    expect(mistakeIn(yaml)).toMatchObject({ line: 3, advice: 'Describe it under clients.' })
  })

  test('of a type that nobody knows is refused', () => {
    expect(told(acme().replace('client_credentials', 'implicit'))).toEqual([
      'invalid_configuration',
      9,
      'evertoken.yaml:9: grants.billing.grant_type: found the text "implicit", expected one of client_credentials, authorization_code, refresh_token, jwt_bearer, password, token_exchange, request',
    ])
  })

  test.each(['../x', 'a b', '.hidden', 'ü', '"a/b"', `"${'x'.repeat(129)}"`])('cannot be called %s', (id) => {
    expect(mistakeIn(acme().replace('billing:', `${id}:`))).toMatchObject({
      code: 'invalid_grant_id',
      line: 7,
    })
  })

  test('that imports needs the token it begins with', () => {
    expect(told(acme().replace('client_credentials', 'refresh_token'))).toEqual([
      'invalid_configuration',
      7,
      'evertoken.yaml:7: grants.billing: refresh_token is missing: a grant of type refresh_token needs it',
    ])
  })

  test('that asserts needs something to assert', () => {
    expect(told(acme().replace('client_credentials', 'jwt_bearer'))).toEqual([
      'invalid_configuration',
      7,
      'evertoken.yaml:7: grants.billing: assertion is missing: a grant of type jwt_bearer needs it',
    ])
  })

  test.each([
    [
      'token_exchange',
      '',
      'grants.billing: subject_token_type is missing: a grant of type token_exchange needs it',
    ],
    [
      'token_exchange',
      'subject_token_type: jwt',
      'grants.billing: neither subject_token nor subject_token_file is given',
    ],
    [
      'token_exchange',
      'subject_token_type: JWT\n    subject_token: t',
      'grants.billing: subject_token_type is no type of token',
    ],
    [
      'client_credentials',
      'audience: api',
      'grants.billing.audience: only a grant of type token_exchange has this, not client_credentials',
    ],
    [
      'password',
      'assertion: { key: { algorithm: HS256, key: k } }',
      'grants.billing.assertion: only a grant of type jwt_bearer or request has this, not password',
    ],
    [
      'request',
      '',
      'clients.acme.provider: a grant of type request needs a profile that declares requests.request',
    ],
    ['password', 'password: hunter2', 'grants.billing.password: there is no such key'],
  ])('of type %s with %j is told what it lacks', (type, key, message) => {
    const yaml = acme({ grant: key === '' ? '' : `    ${key}\n` }).replace('client_credentials', type)
    const error = mistakeIn(yaml)
    expect(error.message).toContain(message)
    expect(`${error.message} ${error.advice}`).not.toContain('hunter2')
  })

  test("whose client the library refuses is told in the file's own words, at the client", () => {
    const noAddress = acme().replace('https://auth.acme.example', '{ issuer: https://auth.acme.example }')
    expect(configured(noAddress).grants).toHaveLength(1)
    expect(told(acme().replace('https://auth.acme.example', '{}'))).toEqual([
      'invalid_configuration',
      2,
      'evertoken.yaml:2: clients.acme: neither issuer nor token_url is given',
    ])
    expect(told(acme().replace('    client_id: abc\n', ''))).toEqual([
      'invalid_configuration',
      2,
      'evertoken.yaml:2: clients.acme: client_id is missing',
    ])
    expect(told(acme({ client: '    client_authentication: private_key_jwt\n' }))).toEqual([
      'invalid_configuration',
      2,
      'evertoken.yaml:2: clients.acme: private_key_jwt needs a signing_key',
    ])
  })

  test('whose provider hides another host behind a user name is refused without repeating it', () => {
    const error = mistakeIn(acme().replace('https://auth', 'https://good:pass@evil'))
    expect(error).toMatchObject({ code: 'invalid_configuration', line: 3 })
    expect(error.message).toBe(
      'evertoken.yaml:3: clients.acme.provider: this URL holds a user name or password',
    )
  })
})

describe('what is not YAML', () => {
  test.each([
    ['listen: a\nlisten: b', 2, 'this key is there twice'],
    ['clients:\n  a: {provider: x, provider: y}', 2, 'this key is there twice'],
    ['1: a\n"1": b', 2, '1: this key is there twice'],
    ['a: 1\nb: [1, 2', 2, /^this is not YAML: flow sequence .* and end with a \]$/],
    ['a: 1\nb: {', 2, /^this is not YAML: flow map .* and end with a \}$/],
    ['a: 1\nb: "x', 2, 'this is not YAML: missing closing "quote'],
    ['a:\n\tb: 1', 2, 'this is not YAML: tabs are not allowed as indentation'],
    ['listen: !!binary aGk=\nx: !secret y', 2, /^this is not YAML/],
    ['listen: a\n---\nlisten: b', 2, 'a second YAML document begins here'],
    ['[a]: b', 1, 'a key must be a plain text'],
  ])('%j', (yaml, line, problem) => {
    const error = mistakeIn(yaml)
    expect(error).toMatchObject({ code: 'invalid_configuration', line })
    expect(error.message.replace(/^evertoken\.yaml:\d+: /, '')).toEqual(
      typeof problem === 'string' ? problem : expect.stringMatching(problem),
    )
  })

  test('is not quoted, since it may hold a secret', () => {
    const error = mistakeIn('client_secret: @canary-1\n"canary-2')
    expect(error.message).not.toContain('canary')
    expect(error.advice ?? '').not.toContain('canary')
    expect(error.cause).toBeUndefined()
  })

  test('and not UTF-8 either', () => {
    expect(mistakeIn(Uint8Array.from([0x61, 0xff, 0xfe])).message).toBe(
      'evertoken.yaml: this is not UTF-8 text',
    )
  })

  test('a few lines of aliases that unfold to millions are refused', () => {
    const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for (let i = 1; i < 9; i++)
      lines.push(
        `a${i}: &a${i} [${Array(10)
          .fill(`*a${i - 1}`)
          .join(', ')}]`,
      )
    expect(mistakeIn(lines.join('\n')).message).toMatch(/this is too large or too deep$/)
    expect(mistakeIn('a: &a [*a]').message).toMatch(/this is too large or too deep$/)
  })

  test('nesting without end is refused', () => {
    expect(mistakeIn(`a: ${'['.repeat(20_000)}`).code).toBe('invalid_configuration')
  })

  test('an alias of nothing is refused', () => {
    expect(mistakeIn('listen: *nothing').code).toBe('invalid_configuration')
  })
})

describe('the file', () => {
  test('may be up to 1 MiB large', () => {
    const comment = (length: number) => `#${'x'.repeat(length - 1)}`
    expect(configured(comment(1024 * 1024)).grants).toEqual([])
    expect(mistakeIn(comment(1024 * 1024 + 1)).message).toBe('evertoken.yaml: this is larger than 1 MiB')
  })

  test('that is not there is named', () => {
    const file = path.join(temporaryFolder(), 'evertoken.yaml')
    expect(() => readConfiguration(file, {})).toThrow(
      expect.objectContaining({
        code: 'invalid_configuration',
        file,
        message: `${file}: there is no such configuration file`,
      }),
    )
  })

  test('that is a folder is refused', () => {
    const folder = temporaryFolder()
    fs.mkdirSync(path.join(folder, 'evertoken.yaml'))
    expect(() => readConfiguration(path.join(folder, 'evertoken.yaml'), {})).toThrow(
      expect.objectContaining({
        code: 'invalid_configuration',
        message: expect.stringContaining('cannot be read'),
      }),
    )
  })
})

test('a host that is none is told at the client', () => {
  const client = "    endpoint_hosts: ['https://x.example']\n"
  expect(mistakeIn(acme({ client }))).toMatchObject({
    code: 'invalid_configuration',
    message: expect.stringMatching(
      /^evertoken\.yaml:2: clients\.acme: endpoint_hosts: "https:\/\/x\.example" is no host$/,
    ),
    advice: 'Write it without https:// and path: oauth2.example.com',
  })
})
