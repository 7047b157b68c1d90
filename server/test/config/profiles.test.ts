// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is what people write into the file
import fs from 'node:fs'
import path from 'node:path'
import { type ProviderProfile, Secret } from 'evertoken'
import { catalogueProfile } from 'evertoken/providers'
import { describe, expect, test } from 'vitest'
import { readDocument } from '../../src/config/document.ts'
import { Profiles } from '../../src/config/profiles.ts'
import { type ProviderOptions, providerOptions } from '../../src/config/provider-options.ts'
import { type ConfigurationFile, configurationSchema } from '../../src/config/schema.ts'
import { checkOptions } from '../../src/config/validation.ts'
import { type Environment, mistakeIn, temporaryFolder } from './configured.ts'

/** What the library is given of the provider of the client `acme`. */
function given(yaml: string, environment: Environment = {}, folder = temporaryFolder()): ProviderOptions {
  const file = path.join(folder, 'evertoken.yaml')
  fs.writeFileSync(file, yaml)
  const { value, origin } = readDocument(file, environment)
  checkOptions(configurationSchema, value, origin)
  const { providers = {}, clients = {} } = value as ConfigurationFile
  const written = { ...origin, folder }
  return providerOptions(clients.acme!, new Profiles(providers, written), written, ['clients', 'acme'])
}

const profileOf = (...all: Parameters<typeof given>): ProviderProfile => given(...all).profile!

const client = (provider: string, more = ''): string =>
  `clients:\n  acme:\n    provider: ${provider}\n    client_id: abc\n${more}`

const domain = catalogueProfile('auth0')!.variables!.domain!.description

/** A folder with files in it. */
function folderOf(files: Record<string, string>): string {
  const folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(folder, name), text)
  return folder
}

describe('the provider of a client', () => {
  test('is an issuer or endpoints as before, of which the library hears as of its own options', () => {
    expect(given(client('https://auth.acme.example'))).toEqual({ issuer: 'https://auth.acme.example' })
    expect(given(client('{ token_url: https://a.example/t, revocation_url: https://a.example/r }'))).toEqual({
      tokenUrl: 'https://a.example/t',
      revocationUrl: 'https://a.example/r',
    })
  })

  test('is a profile of the catalogue by its id', () => {
    expect(given(client('google'))).toEqual({ profile: catalogueProfile('google'), variables: {} })
  })

  test('is a profile inline, called like the client where it does not say itself', () => {
    const inline = '{ token_url: "https://a.example/t", answer: { access_token: /data/token } }'
    expect(profileOf(client(inline))).toEqual({
      id: 'acme',
      name: 'acme',
      token_url: 'https://a.example/t',
      answer: { access_token: '/data/token' },
    })
  })

  test('is frozen to the bottom', () => {
    const { profile } = given(client('{ extends: google, answer: { access_token: /t } }'))
    expect([profile, profile?.answer, profile?.consent?.parameters].every(Object.isFrozen)).toBe(true)
  })
})

describe('a profile that extends another', () => {
  test('puts maps together, replaces lists and all else, and null takes away', () => {
    const { registration, consent, ...google } = catalogueProfile('google')!
    const over = `
      extends: google
      revocation_url: null
      consent: { parameters: { prompt: select_account, hd: acme.example } }
      registration: { traps: [One of ours.] }`
    const { revocation_url: _, ...rest } = google
    expect(profileOf(client(over))).toEqual({
      ...rest,
      consent: {
        ...consent,
        parameters: { ...consent?.parameters, prompt: 'select_account', hd: 'acme.example' },
      },
      registration: { ...registration, traps: ['One of ours.'] },
    })
  })

  test('keeps a null that leaves out a parameter', () => {
    const over = '{ extends: google, requests: { refresh: { parameters: { client_secret: null } } } }'
    expect(profileOf(client(over)).requests).toEqual({ refresh: { parameters: { client_secret: null } } })
  })

  test('may be one of providers, which are found before the catalogue and may extend their namesake there', () => {
    const providers = `
providers:
  google: { extends: google, name: Our Google }
  workspace: { extends: google, lifetimes: { login_limit: null, refresh_before: 60 } }
`.replace('login_limit: null, ', '')
    expect(profileOf(client('google', providers))).toMatchObject({
      id: 'google',
      name: 'Our Google',
      token_url: 'https://oauth2.googleapis.com/token',
    })
    const { id, name, lifetimes } = profileOf(client('workspace', providers))
    expect({ id, name, before: lifetimes?.refresh_before }).toEqual({
      id: 'workspace',
      name: 'Our Google',
      before: 60,
    })
  })

  test('may stand in a file, YAML or JSON, that counts from the file that names it', () => {
    const folder = folderOf({
      'acme.json': '{"extends": "google", "api": {"scheme": "token"}}',
      'Base App.yaml':
        'token_url: https://{tenant}.a.example/t\nvariables: { tenant: { description: Yours. } }\n',
    })
    fs.mkdirSync(path.join(folder, 'inner'))
    fs.writeFileSync(path.join(folder, 'inner/own.yaml'), 'profile_file: ../Base App.yaml\nname: Own\n')
    expect(profileOf(client('{ profile_file: ./acme.json }'), {}, folder)).toMatchObject({
      id: 'google',
      api: { scheme: 'token' },
    })
    const own = client(
      '{ profile_file: inner/own.yaml, answer: { access_token: /t } }',
      '    variables: { tenant: eu }\n',
    )
    expect(given(own, {}, folder)).toEqual({
      profile: {
        id: 'base-app',
        name: 'Own',
        token_url: 'https://{tenant}.a.example/t',
        variables: { tenant: { description: 'Yours.' } },
        answer: { access_token: '/t' },
      },
      variables: { tenant: 'eu' },
    })
  })
})

describe('variables', () => {
  test('come from the client, secrets from the environment, and defaults from the profile', () => {
    const yaml = client(
      '{ extends: quartile, variables: { region: { description: Where., default: eu } } }',
      '    variables: { subscription_key: "${KEY}" }\n',
    )
    const { variables } = given(yaml, { KEY: 'k3y'.padEnd(32, 'y') })
    expect(variables).toMatchObject({ subscription_key: expect.any(Secret), region: 'eu' })
    expect((variables!.subscription_key as Secret).reveal()).toBe('k3y'.padEnd(32, 'y'))
  })

  test.each([
    [
      'auth0',
      '{ domain: evil.example/ }',
      5,
      'clients.acme.variables.domain: found the text "evil.example/", which is not [A-Za-z0-9][A-Za-z0-9.-]*',
      `${domain} For example acme.eu.auth0.com.`,
    ],
    [
      'auth0',
      '{}',
      5,
      `clients.acme.variables: domain is missing, which Auth0 needs: ${domain}`,
      'Write domain: acme.eu.auth0.com under variables of the client.',
    ],
    [
      'auth0',
      '{ domian: a.auth0.com }',
      5,
      'clients.acme.variables.domian: Auth0 has no such variable',
      'Did you mean domain?',
    ],
    [
      'google',
      '{ tenant: a }',
      5,
      'clients.acme.variables.tenant: Google has no such variable',
      'It has none.',
    ],
    [
      'https://auth.acme.example',
      '{ tenant: a }',
      5,
      'clients.acme.variables: only the profile of a provider has variables',
      expect.stringContaining('evertoken provider list'),
    ],
    [
      'quartile',
      '{ subscription_key: s3cret/ }',
      5,
      'clients.acme.variables.subscription_key: found a text, which is not [A-Za-z0-9]{32}',
      catalogueProfile('quartile')!.variables!.subscription_key!.description,
    ],
    [
      'quartile',
      '{ subscription_key: 314159 }',
      5,
      'clients.acme.variables.subscription_key: found a number, expected a text',
      'Put it in quotes.',
    ],
  ])('of %s must not be %s', (provider, variables, line, said, advice) => {
    const error = mistakeIn(client(provider, `    variables: ${variables}\n`))
    expect(error).toMatchObject({ line, message: `evertoken.yaml:${line}: ${said}`, advice })
  })
})

describe('at start an error names file, line, key and what to do for', () => {
  test.each([
    [
      'an unknown key',
      client('\n      token_ulr: https://a.example'),
      4,
      'clients.acme.provider.token_ulr: there is no such key',
      'Did you mean token_url?',
    ],
    [
      'an id that nobody has',
      client('googel'),
      3,
      'clients.acme.provider: there is no provider "googel"',
      'Did you mean google?',
    ],
    [
      'one that nothing is like',
      client('zzzzzzzz'),
      3,
      'clients.acme.provider: there is no provider "zzzzzzzz"',
      expect.stringContaining('evertoken provider list'),
    ],
    [
      'a base that nobody has',
      client('\n      extends: auht0'),
      4,
      'clients.acme.provider.extends: there is no provider "auht0"',
      'Did you mean auth0?',
    ],
    [
      'two bases',
      client('{ extends: google, profile_file: a.yaml }'),
      3,
      'clients.acme.provider.profile_file: extends is given as well',
      expect.stringContaining('Keep one'),
    ],
    [
      'a null that takes nothing away',
      client('\n      extends: google\n      pushed_authorization_request_url: null'),
      5,
      'clients.acme.provider.pushed_authorization_request_url: there is nothing here to take away',
      expect.any(String),
    ],
    [
      'parts that do not fit each other',
      client(
        '\n      token_url: https://a.example/t\n      requests:\n        refresh: { url: "https://{tenant}.a.example/r" }',
      ),
      6,
      'clients.acme.provider.requests.refresh.url: names {tenant}, and variables has no such key',
      'Add variables.tenant.',
    ],
    [
      'an error rule that can never match behind another',
      client(
        '\n      token_url: https://a.example/t\n      errors:\n        - { status: 400, means: dead }\n        - { status: 400, code: x, means: transient }',
      ),
      7,
      'clients.acme.provider.errors.1: can never match, because errors.0 takes everything that it would',
      'The first that matches decides: put the narrower one in front.',
    ],
    [
      'an error rule for a redirect',
      client('\n      extends: google\n      errors:\n        - status: 302\n          means: transient'),
      6,
      'clients.acme.provider.errors.0.status: can never match, because a 302 is no answer that is read',
      'Redirects are never followed; give the final address of the endpoint.',
    ],
    [
      'a path that is none',
      client('\n      extends: google\n      answer:\n        access_token: data.token'),
      6,
      'clients.acme.provider.answer.access_token: found the text "data.token", expected a JSON pointer',
      'It begins with a slash, and has one before every name: /authorization/token.',
    ],
    [
      'an expiry in a format that nobody reads',
      client('\n      extends: google\n      answer: { expiry: /expires, expiry_format: rfc3339 }'),
      5,
      'clients.acme.provider.answer.expiry_format: found the text "rfc3339", expected one of relative_s, relative_ms, epoch_s, epoch_ms, iso8601',
      undefined,
    ],
    [
      'tests of an answer that make an error of each',
      client(
        '\n      extends: google\n      answer:\n        success: { pointer: /ok }\n        failure: { pointer: /ok }',
      ),
      7,
      'clients.acme.provider.answer.failure: is the same as answer.success, so that every answer is an error',
      'Keep one of them.',
    ],
    [
      'tokens that a refresh extends, without a word of success',
      client('\n      extends: google\n      answer: { refresh_extends: true }'),
      5,
      'clients.acme.provider.answer.refresh_extends: has no effect without success',
      'Say by answer.success which answer without tokens is a success.',
    ],
    [
      'what is left half',
      client('\n      extends: google\n      facts: { sources: null }'),
      5,
      'clients.acme.provider.facts: sources is missing, expected a list',
      undefined,
    ],
    [
      'a circle',
      'providers:\n  a: { extends: b }\n  b: { extends: c }\n  c: { extends: a }\n',
      4,
      'providers.c.extends: this profile extends itself: a > b > c > a',
      expect.stringContaining('extend nothing'),
    ],
    [
      'a profile that extends itself',
      'providers:\n  a: { extends: a }\n',
      2,
      'providers.a.extends: this profile extends itself: a > a',
      expect.any(String),
    ],
    [
      'a name that is none',
      'providers:\n  My App: { token_url: https://a.example }\n',
      2,
      'providers.My App: this cannot name a profile',
      'Use lower-case letters, digits and dashes, up to 64.',
    ],
    [
      'an id beside another',
      'providers:\n  a:\n    id: b\n    token_url: https://a.example\n',
      3,
      'providers.a.id: found b, but it stands under a',
      expect.any(String),
    ],
    [
      'a file that is not there',
      client('{ profile_file: gone.yaml }'),
      3,
      'clients.acme.provider.profile_file: there is no file gone.yaml',
      expect.stringContaining('Check the path'),
    ],
  ])('%s', (_, yaml, line, said, advice) => {
    const error = mistakeIn(yaml)
    expect(error).toMatchObject({ line, message: `evertoken.yaml:${line}: ${said}`, advice })
  })

  test('a file that cannot be read, or is no profile', () => {
    const folder = folderOf({
      'wrong.yaml': 'name: Acme\nanswer:\n  acess_token: /t\n',
      'env.yaml': 'token_url: "https://${HOST}/t"\n',
    })
    fs.mkdirSync(path.join(folder, 'folder.yaml'))
    const said = (file: string) => mistakeIn(client(`{ profile_file: ${file} }`), { HOST: 'h' }, folder)
    expect(said('folder.yaml').message).toBe(
      'evertoken.yaml:3: clients.acme.provider.profile_file: the file folder.yaml cannot be read',
    )
    expect(said('wrong.yaml')).toMatchObject({
      line: 3,
      message: 'wrong.yaml:3: answer.acess_token: there is no such key',
      advice: 'Did you mean access_token?',
    })
    expect(said('env.yaml')).toMatchObject({
      line: 1,
      message: 'env.yaml:1: token_url: nothing comes from the environment here',
      advice: expect.stringContaining('variable'),
    })
  })

  test('files that extend each other', () => {
    const folder = folderOf({ 'a.yaml': 'profile_file: b.yaml\n', 'b.yaml': 'profile_file: a.yaml\n' })
    expect(mistakeIn(client('{ profile_file: a.yaml }'), {}, folder).message).toBe(
      'b.yaml:1: profile_file: this profile extends itself: a.yaml > b.yaml > a.yaml',
    )
  })

  test('two profiles with one id, where both are named', () => {
    const other =
      '  other:\n    provider:\n      id: acme\n      token_url: https://a.example/t\n      answer: { access_token: /t }\n'
    expect(
      mistakeIn(
        `${client('{ id: acme, token_url: https://a.example/t, answer: { access_token: /d } }')}${other}`,
      ),
    ).toMatchObject({
      line: 7,
      message:
        'evertoken.yaml:7: clients.other.provider.id: there are two profiles with the id acme, the other at evertoken.yaml:3: clients.acme.provider.id',
      advice: 'Give one of them another id, or describe it once under providers.',
    })
  })

  test('but not one file that two clients use, nor two that extend the same', () => {
    const folder = folderOf({
      'acme.yaml':
        'id: acme\ntoken_url: https://a.example/{x}\nvariables: { x: { description: X., default: a } }\n',
    })
    for (const provider of ['{ profile_file: acme.yaml }', '{ extends: google, api: { scheme: x } }']) {
      const yaml = `${client(provider)}  other:\n    provider: ${provider}\nproviders:\n  acme: { profile_file: acme.yaml }\n`
      expect(profileOf(yaml, {}, folder).id).toMatch(/acme|google/)
    }
  })
})
