import path from 'node:path'
import { styleText } from 'node:util'
import type { ProviderProfile } from 'evertoken'
import { answerText, apiText, assertionText, consentText, errorText, requestText } from './dialect-text.ts'
import { durationText } from './duration.ts'
import type { Environment } from './environment.ts'
import type { FoundProfile } from './named-profile.ts'
import { table } from './table.ts'

type Style = Parameters<typeof styleText>[0]
/** A name, and what stands behind it; an empty name goes on with the one above. */
type Line = readonly [name: string, value: string | undefined]

/** What is known of providers, for people. Colours only where the stream is a terminal and NO_COLOR is not set. */
export class ProviderText {
  readonly #stream: NodeJS.WriteStream

  constructor({ stdout }: Pick<Environment, 'stdout'>) {
    this.#stream = stdout as NodeJS.WriteStream
  }

  table(profiles: readonly FoundProfile[]): string {
    return table(
      ['ID', 'NAME', 'ROTATION', 'FACTS'].map((title) => this.#paint('bold', title)),
      profiles.map(({ profile, file }) => [
        profile.id,
        profile.name,
        profile.lifetimes?.rotation ?? '-',
        file !== undefined
          ? `yours, ${path.basename(file)}`
          : isVerified(profile)
            ? 'read'
            : this.#paint('yellow', 'unverified'),
      ]),
    )
  }

  /** One provider, all of it. `file`: where it is written, if it is not of the catalogue. */
  details(profile: ProviderProfile, file?: string): string {
    const { facts, registration, api } = profile
    const lines: Line[] = [
      ['id', profile.id],
      ['name', profile.name],
      ['yours', file],
      ['facts', file !== undefined && profile.facts === undefined ? undefined : this.#confidence(profile)],
      ...addressLines(profile),
      ['client', clientText(profile)],
      ['dpop', profile.dpop === true ? 'tokens are bound to a key of the client (RFC 9449)' : undefined],
      ...listed('variables', Object.entries(profile.variables ?? {}).map(variableText)),
      ['register at', registration?.url],
      ['redirect URIs', registration?.redirect_uris?.join(', ')],
      ...listed('steps', numbered(registration?.steps)),
      ...listed('traps', registration?.traps ?? [], (trap) => this.#paint('yellow', trap)),
      ...listed('tokens', lifetimeTexts(profile.lifetimes)),
      ...listed('requests', Object.entries(profile.requests ?? {}).flatMap(requestText)),
      ['assertion', profile.assertion && `a signed JWT${assertionText(profile.assertion)}`],
      ...listed('answers', profile.answer === undefined ? [] : answerText(profile.answer)),
      ...listed('errors', (profile.errors ?? []).map(errorText)),
      ...listed('consent', profile.consent === undefined ? [] : consentText(profile.consent)),
      ['api', api && apiText(api)],
      ...listed('only recalled', facts?.recalled ?? []),
      ...listed('notes', facts?.notes ?? []),
      ...listed('sources', facts?.sources ?? []),
    ]
    return lines
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) => `${this.#paint('dim', name.padEnd(15))}${value}\n`)
      .join('')
  }

  #confidence(profile: ProviderProfile): string {
    const checked = profile.facts === undefined ? '' : `, ${profile.facts.checked}`
    return isVerified(profile)
      ? `read in the sources below${checked}`
      : this.#paint('yellow', `unverified: recalled, and not checked against any source${checked}`)
  }

  #paint(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#stream })
  }
}

export const isVerified = ({ facts }: ProviderProfile): boolean => facts?.confidence === 'read'

/** The name once, before the first. */
const listed = (name: string, values: readonly string[], painted = (text: string) => text): Line[] =>
  values.map((value, index) => [index === 0 ? name : '', painted(value)])

export const numbered = (steps: readonly string[] = []): string[] =>
  steps.map((step, index) => `${index + 1}. ${step}`)

const addressNames = {
  issuer: 'issuer',
  token_url: 'token',
  authorization_url: 'authorization',
  device_authorization_url: 'device',
  pushed_authorization_request_url: 'pushed request',
  revocation_url: 'revocation',
  introspection_url: 'introspection',
  userinfo_url: 'userinfo',
} as const satisfies Partial<Record<keyof ProviderProfile, string>>

const addressLines = (profile: ProviderProfile): Line[] =>
  Object.entries(addressNames).map(([key, name]) => [name, profile[key as keyof typeof addressNames]])

function clientText(profile: ProviderProfile): string | undefined {
  const { client_authentication: method, client_assertion: assertion, basic } = profile
  if (assertion !== undefined) return `authenticates by ${method}${assertionText(assertion)}`
  if (basic !== undefined)
    return `authenticates by HTTP Basic, user ${basic.user}, ${basic.password === '' ? 'no password' : `password ${basic.password}`}`
  return method === undefined ? undefined : method === 'none' ? 'has no secret' : `authenticates by ${method}`
}

function variableText([name, variable]: [string, NonNullable<ProviderProfile['variables']>[string]]): string {
  const more = [
    variable.default !== undefined && `default ${variable.default}`,
    variable.example !== undefined && `for example ${variable.example}`,
    variable.hosts !== undefined && `only ${variable.hosts.join(', ')}`,
    variable.secret === true && 'a secret',
  ].filter((word) => word !== false)
  return `${name}: ${variable.description}${more.length === 0 ? '' : ` (${more.join('; ')})`}`
}

const rotations = {
  always: 'each refresh brings another refresh token',
  sometimes: 'a refresh may bring another refresh token',
  never: 'the refresh token stays the same',
} as const

function lifetimeTexts(lifetimes: ProviderProfile['lifetimes'] = {}): string[] {
  const time = (seconds: number | undefined, words: (duration: string) => string): string | undefined =>
    seconds === undefined ? undefined : words(durationText(seconds * 1000))
  const { rotation, replay_class: replay, login_limit: limit } = lifetimes
  return [
    rotation && rotations[rotation],
    replay && `a used refresh token, sent again: ${replay}`,
    time(lifetimes.reuse_window, (window) => `it may come again within ${window}`),
    lifetimes.old_token_dies && 'a refresh kills the access token before at once',
    time(lifetimes.assumed_lifetime, (life) => `access tokens live ${life} where the answer does not say`),
    lifetimes.never_expires && 'access tokens live until somebody ends them',
    time(lifetimes.refresh_before, (margin) => `refreshed ${margin} before expiry`),
    time(lifetimes.minimum_age, (age) => `a refresh sooner than ${age} after the one before is refused`),
    time(lifetimes.refresh_token_lifetime, (life) => `a login ends ${life} after it began`),
    time(lifetimes.refresh_token_idle, (idle) => `a refresh token dies unused after ${idle}`),
    time(lifetimes.quiescence, (quiet) => `a request without an answer may be carried out for ${quiet}`),
    lifetimes.introspection && 'introspection of a refresh token changes nothing',
    lifetimes.refresh_rate !== undefined && `at most ${lifetimes.refresh_rate} token requests a second`,
    limit && `more than ${limit.count} logins for each ${limit.per}, and the oldest dies`,
  ].filter((text) => typeof text === 'string')
}
