import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { lifetimeFacts } from '../../src/grants/lifetime-options.ts'
import { checkProfile } from '../../src/grants/profile-check.ts'
import { catalogueIds, catalogueProfile, type ProviderProfile } from '../../src/providers/catalogue.ts'
import { shapeProblems } from './profile-shape.ts'

const source = path.join(import.meta.dirname, '../../src')
const all = catalogueIds().map((id): [string, ProviderProfile] => [id, catalogueProfile(id)!])

/** What is wrong, over all profiles: a name and the problem. */
const found = (problems: (profile: ProviderProfile) => string[]) =>
  all.flatMap(([id, profile]) => problems(profile).map((problem) => `${id}: ${problem}`))

describe('the catalogue', () => {
  test('has at least 120 providers, each in a file of its name and id', () => {
    expect(all.length).toBeGreaterThanOrEqual(120)
    const files = fs.readdirSync(path.join(source, 'providers/catalogue')).sort()
    expect(files).toEqual(all.map(([id]) => `${id}.json`).sort())
    expect(
      found((profile) => (all.some(([id]) => id === profile.id) ? [] : ['is under another id'])),
    ).toEqual([])
    expect(all.filter(([id, profile]) => id !== profile.id)).toEqual([])
    expect(new Set(all.map(([, profile]) => profile.name)).size).toBe(all.length)
  })

  test('gives the same frozen profile each time, and reads no file that it does not list', () => {
    const google = catalogueProfile('google')
    expect(google?.token_url).toBe('https://oauth2.googleapis.com/token')
    expect(catalogueProfile('google')).toBe(google)
    expect(catalogueIds()).toBe(catalogueIds())
    const thaw = () => Object.assign(google?.consent?.parameters ?? {}, { access_type: 'online' })
    expect(thaw).toThrow(TypeError)
    expect(() => (catalogueIds() as string[]).push('evil')).toThrow(TypeError)
    const others = [
      '',
      'Google',
      'google.json',
      '../profile',
      '..%2fprofile',
      'nobody',
      '__proto__',
      'google\0',
    ]
    expect(others.map(catalogueProfile)).toEqual(others.map(() => undefined))
  })

  test('is loaded only by who asks for it by its own entry', () => {
    const importers = fs
      .readdirSync(source, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && file !== path.join('providers', 'catalogue.ts'))
      .filter((file) =>
        /(from|import\()\s*'[^']*catalogue\.ts'/.test(fs.readFileSync(path.join(source, file), 'utf8')),
      )
    expect(importers).toEqual([])
  })
})

describe('every profile', () => {
  test('is held against shapes that notice what does not belong', () => {
    const wrong = {
      id: 'No',
      name: '',
      tokenUrl: 'https://auth.example/token',
      requests: { refresh: { body: 'xml', parameters: { grant_type: null, client_id: 1 } }, login: {} },
      answer: { expiry: 'expires_at', root: ['/data', ''], success: { equals: true } },
      errors: [{ code: 190, means: 'fatal' }],
      lifetimes: { refresh_before: 0, login_limit: { count: 5 } },
    }
    expect(shapeProblems(wrong)).toEqual([
      '.facts: is missing',
      '.id: is not an id',
      '.name: is not a text',
      '.tokenUrl: is not known',
      '.requests.refresh.body: is not one of form, json, query',
      '.requests.refresh.parameters.client_id: is not a text or null',
      '.requests.login: is empty',
      '.answer.expiry: is not a JSON pointer',
      '.answer.success.pointer: is missing',
      '.errors[0].means: is not one of dead, person, transient, ambiguous, configuration, rate_limited',
      '.lifetimes.refresh_before: is not a number of seconds above 0',
      '.lifetimes.login_limit.per: is missing',
    ])
  })

  test('holds the members that a profile has, and of their kinds', () => {
    expect(found(shapeProblems)).toEqual([])
  })

  test('has https addresses without user information, whose placeholders are variables of its own', () => {
    expect(
      found((profile) =>
        addresses(profile).flatMap((address) => [
          ...placeholders(address)
            .filter((name) => profile.variables?.[name] === undefined)
            .filter((name) => address !== profile.requests?.revoke?.url || !/^(token|client_id)$/.test(name))
            .map((name) => `${address}: {${name}} is no variable`),
          ...(isSafe(address.replaceAll(/\{\w+\}/g, 'x')) ? [] : [`${address}: is not safe`]),
        ]),
      ),
    ).toEqual([])
  })

  test('fills into headers and parameters only what it declares or the request has', () => {
    const standard =
      /^(client_id|client_secret|refresh_token|code|redirect_uri|scope|grant_type|token|assertion|access_token|state)$/
    expect(
      found((profile) =>
        fillings(profile)
          .flatMap(placeholders)
          .filter((name) => profile.variables?.[name] === undefined && !standard.test(name))
          .map((name) => `{${name}} is no variable`),
      ),
    ).toEqual([])
  })

  test('leaves no host open: what is part of one has hosts, or stands before a suffix', () => {
    expect(
      found((profile) =>
        addresses(profile)
          .map((address) => /^https:\/\/([^/?#]*)/.exec(address)?.[1] ?? '')
          .flatMap((host) =>
            placeholders(host)
              .filter((name) => profile.variables?.[name]?.hosts === undefined)
              .filter(() => !/^[^{}]*\{\w+\}(\.[\w-]+){2,}$/.test(host))
              .map((name) => `${host}: {${name}} may be any host`),
          ),
      ),
    ).toEqual([])
  })

  test('names with its hosts those that its defaults and examples lead to', () => {
    expect(
      found((profile) =>
        Object.entries(profile.variables ?? {}).flatMap(([name, { default: usual, example, hosts }]) =>
          [usual, example]
            .filter((value) => value !== undefined && hosts !== undefined)
            .flatMap((value) =>
              addresses(profile)
                .map((address) => /^https:\/\/([^/?#]*)/.exec(address)?.[1] ?? '')
                .filter((host) => placeholders(host).join() === name)
                .map((host) => host.replace(`{${name}}`, value ?? ''))
                .filter((host) => !hosts?.some((allowed) => isUnder(host, allowed))),
            )
            .map((host) => `${name}: ${host} is not allowed`),
        ),
      ),
    ).toEqual([])
  })

  test('has variables that are used, with patterns that their defaults and examples match', () => {
    expect(
      found((profile) => {
        const used = new Set([...addresses(profile), ...fillings(profile)].flatMap(placeholders))
        return Object.entries(profile.variables ?? {}).flatMap(([name, variable]) => {
          const pattern = new RegExp(`^(?:${variable.pattern ?? '[A-Za-z0-9][A-Za-z0-9.-]*'})$`)
          const wrong = [variable.default, variable.example].filter(
            (value) => value !== undefined && !pattern.test(value),
          )
          return [
            ...(used.has(name) ? [] : [`{${name}} is used nowhere`]),
            ...wrong.map((value) => `{${name}}: ${value} does not match ${pattern}`),
          ]
        })
      }),
    ).toEqual([])
  })

  test('is one that a grant takes, but for that whose every server is an address of its own', () => {
    const refused = found((profile) => {
      try {
        checkProfile(profile)
        return []
      } catch (error) {
        return [(error as Error).message]
      }
    })
    expect(refused).toEqual(['keycloak: token_url: neither it nor issuer is given'])
  })

  test('has error rules that can match', () => {
    expect(
      found((profile) =>
        (profile.errors ?? []).flatMap((rule, index) => {
          const matches = ['status', 'code', 'pointer', 'description'].some((name) => name in rule)
          const aimless = rule.equals !== undefined && rule.pointer === undefined
          const before = (profile.errors ?? []).slice(0, index).some((other) => covers(other, rule))
          return matches && !aimless && !before ? [] : [`errors[${index}] can never match`]
        }),
      ),
    ).toEqual([])
  })

  test('has lifetimes that a grant takes, and that do not contradict each other', () => {
    expect(
      found(({ lifetimes = {} }) => [
        ...refusal(() =>
          lifetimeFacts(
            'authorization_code',
            {
              replayClass: lifetimes.replay_class,
              reuseWindow: lifetimes.reuse_window,
              quiescence: lifetimes.quiescence,
              oldTokenDies: lifetimes.old_token_dies,
              refreshTokenLifetime: lifetimes.refresh_token_lifetime,
              refreshTokenIdle: lifetimes.refresh_token_idle,
              refreshRate: lifetimes.refresh_rate,
            },
            false,
          ),
        ),
        ...(lifetimes.replay_class === 'non_rotating' && lifetimes.rotation !== 'never'
          ? ['non_rotating, but rotates']
          : []),
        ...(lifetimes.never_expires && lifetimes.assumed_lifetime ? ['never expires, and after a time'] : []),
      ]),
    ).toEqual([])
  })

  test('claims no replay class that is only recalled', () => {
    expect(
      found(({ facts, lifetimes }) =>
        lifetimes?.replay_class !== undefined &&
        facts?.recalled?.some((key) => /^lifetimes($|.re(play|use))/.test(key))
          ? [`${lifetimes.replay_class} is recalled`]
          : [],
      ),
    ).toEqual([])
  })

  test('says where what is read was read, and names as recalled only what it holds', () => {
    expect(
      found(({ facts, ...profile }) => [
        ...(facts?.confidence === 'read' && facts.sources.length === 0 ? ['read, but nowhere'] : []),
        ...(facts?.confidence === 'recalled' &&
        facts.sources.length > 0 &&
        profile.lifetimes &&
        !facts.recalled
          ? ['does not say what of it is recalled']
          : []),
        ...(facts?.recalled ?? [])
          .filter((key) => valueAt(profile, key) === undefined)
          .map((key) => `recalled ${key} is not there`),
        ...(facts?.recalled?.includes('token_url') && facts.confidence === 'read'
          ? ['its token endpoint is not read']
          : []),
      ]),
    ).toEqual([])
  })
})

describe('what the project was born from', () => {
  test('Quartile: a login by JSON, and JSON at a refresh address of its own, nested tokens, times without a zone, a key in a header', () => {
    const quartile = catalogueProfile('quartile')
    expect(quartile?.requests).toEqual({
      all: { body: 'json', headers: { 'Subscription-Key': '{subscription_key}' } },
      login: { parameters: { grant_type: null, client_id: null, scope: null } },
      refresh: {
        url: 'https://api.quartile.com/auth/{version}/refresh',
        rename: { refresh_token: 'token' },
        parameters: { grant_type: null, client_id: null, scope: null },
      },
    })
    expect(quartile?.answer).toEqual({
      access_token: '/authorization/token',
      token_type: '/authorization/type',
      expiry: '/authorization/expires_at',
      expiry_format: 'iso8601',
      refresh_token: '/refresh/token',
      refresh_token_expiry: '/refresh/expires_at',
      refresh_token_expiry_format: 'iso8601',
    })
    expect(quartile?.variables?.subscription_key).toMatchObject({ secret: true })
    expect(quartile?.lifetimes).toMatchObject({ rotation: 'always', old_token_dies: true })
  })

  test('Disruptive Technologies: an assertion with HS256 for an hour, renewed a minute before the end', () => {
    expect(catalogueProfile('disruptive-technologies')).toMatchObject({
      token_url: 'https://identity.disruptive-technologies.com/oauth2/token',
      client_authentication: 'none',
      assertion: { algorithm: 'HS256', lifetime: 3600 },
      lifetimes: { assumed_lifetime: 3600, refresh_before: 60 },
    })
  })
})

/** Every address that something is sent to or a person is led to. */
function addresses(profile: ProviderProfile): string[] {
  const named = Object.entries(profile).filter(([name]) => name === 'issuer' || name.endsWith('_url'))
  const requests = Object.values(profile.requests ?? {}).map((request) => request.url)
  return [...named.map(([, value]) => String(value)), ...requests, profile.registration?.url].filter(
    (address) => address !== undefined,
  )
}

/** The texts in which something is filled in, but for addresses. */
function fillings(profile: ProviderProfile): string[] {
  const requests = Object.values(profile.requests ?? {})
  const maps = [...requests.flatMap(({ parameters, headers }) => [parameters, headers]), profile.basic]
  const texts = [...maps, profile.consent?.parameters].flatMap((map) => Object.values(map ?? {}))
  const { issuer, subject, audience, claims = {} } = profile.assertion ?? {}
  const { client_assertion: own = {} } = profile
  const signed = [issuer, subject, audience, own.issuer, own.subject, own.audience, ...Object.values(claims)]
  return [...texts, ...signed].filter((text) => typeof text === 'string')
}

const placeholders = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)

function isSafe(address: string): boolean {
  const url = URL.parse(address)
  return url?.protocol === 'https:' && url.username === '' && url.password === '' && url.hash === ''
}

const isUnder = (host: string, allowed: string): boolean =>
  allowed.startsWith('*.') ? host.endsWith(allowed.slice(1)) && host !== allowed.slice(1) : host === allowed

/** What is said against it, if anything. */
function refusal(attempt: () => unknown): string[] {
  try {
    attempt()
    return []
  } catch (error) {
    return [String(error)]
  }
}

type Rule = NonNullable<ProviderProfile['errors']>[number]

/** Whether whatever a later rule matches, an earlier one matched. */
const covers = (earlier: Rule, later: Rule): boolean =>
  (['status', 'code', 'pointer', 'equals', 'description'] as const).every(
    (name) => earlier[name] === undefined || earlier[name] === later[name],
  )

function valueAt(value: unknown, key: string): unknown {
  return key
    .split('.')
    .reduce<unknown>(
      (at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined),
      value,
    )
}
