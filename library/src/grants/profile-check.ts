import { templateProblem } from '../oauth/address-template.ts'
import { hasStrayBraces, namesIn } from '../oauth/template.ts'
import type { ProfileLifetimes, ProfileVariable, ProviderProfile } from '../providers/profile.ts'
import { isWindowed } from './lifetime-facts.ts'
import { invalid } from './option-check.ts'
import { checkAnswer, checkErrors } from './profile-answer-check.ts'
import { checkAssertion, checkClientAssertion } from './profile-assertion-check.ts'
import {
  checkBasic,
  checkBehindHost,
  checkConsent,
  checkRequests,
  isAddressName,
  standardParameters,
} from './profile-request-check.ts'
import { patternOf } from './profile-variables.ts'

/** Profiles that were checked; of one profile there are as many definitions as logins. */
const checked = new WeakSet<ProviderProfile>()

/**
 * What no schema can say of a profile: that its parts fit each other.
 *
 * @throws EvertokenError `invalid_configuration`; its message begins with the path of the key, `requests.refresh.url: …`.
 */
export function checkProfile(profile: ProviderProfile): void {
  if (checked.has(profile)) return
  if (typeof profile.id !== 'string' || !/^[a-z0-9][a-z0-9-]{0,63}$/.test(profile.id))
    throw invalid('id: is no name of lower-case letters, digits and dashes, up to 64')
  if (profile.issuer === undefined && profile.token_url === undefined)
    throw invalid(
      'token_url: neither it nor issuer is given',
      'Name the issuer to discover, or the token endpoint.',
    )
  for (const [name, variable] of Object.entries(profile.variables ?? {})) checkVariable(name, variable)
  for (const [path, template] of addressesIn(profile)) checkAddress(profile, path, template)
  checkBasic(profile)
  checkRequests(profile)
  checkConsent(profile)
  checkAnswer(profile.answer ?? {})
  checkErrors(profile.errors ?? [])
  checkLifetimes(profile.lifetimes ?? {})
  checkApi(profile.api ?? {})
  checkAssertion(profile)
  checkClientAssertion(profile)
  checked.add(profile)
}

const addressKeys = [
  'issuer',
  'token_url',
  'authorization_url',
  'revocation_url',
  'introspection_url',
  'userinfo_url',
  'device_authorization_url',
  'pushed_authorization_request_url',
] as const

function addressesIn(profile: ProviderProfile): readonly (readonly [path: string, template: string])[] {
  const own = addressKeys.map((key) => [key, profile[key]] as const)
  const requests = Object.entries(profile.requests ?? {}).map(
    ([operation, rules]) => [`requests.${operation}.url`, rules.url] as const,
  )
  return [...own, ...requests].flatMap(([path, template]) =>
    template === undefined ? [] : [[path, template] as const],
  )
}

function checkAddress({ variables = {} }: ProviderProfile, path: string, template: string): void {
  if (hasStrayBraces(template)) throw invalid(`${path}: has braces that hold no name of a variable`)
  for (const name of namesIn(template)) {
    if (path === 'requests.revoke.url' && isAddressName(name)) {
      checkBehindHost(path, name, template)
      continue
    }
    if (!Object.hasOwn(variables, name))
      throw invalid(`${path}: names {${name}}, and variables has no such key`, `Add variables.${name}.`)
    if (variables[name]?.secret === true)
      throw invalid(`${path}: holds the secret {${name}}`, 'A secret goes into a header or a parameter.')
  }
  const found = templateProblem(template, (name) => {
    const { hosts, any_host: anyHost } = variables[name] ?? {}
    return hosts !== undefined || anyHost === true
  })
  if (found === undefined) return
  if (found.name === undefined) throw invalid(`${path}: ${found.problem}`)
  throw invalid(
    `${path}: {${found.name}} ${found.problem}`,
    `Give variables.${found.name}.hosts, or any_host: true where everybody has a host of their own.`,
  )
}

/** At least two labels: nobody owns all hosts of `*.com`. */
const hostText = /^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+$/

function checkVariable(name: string, variable: ProfileVariable): void {
  const path = `variables.${name}`
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(name))
    throw invalid(`${path}: is no name of lower-case letters, digits and underscores`)
  if (standardParameters.has(name)) throw invalid(`${path}: has the name of a standard parameter`)
  let pattern: RegExp
  try {
    pattern = patternOf(variable)
  } catch {
    throw invalid(`${path}.pattern: is no regular expression`)
  }
  if (variable.default !== undefined && !pattern.test(variable.default))
    throw invalid(`${path}.default: does not match the pattern`)
  const unfit = variable.hosts?.find((host) => !hostText.test(host))
  if (unfit !== undefined)
    throw invalid(
      `${path}.hosts: ${JSON.stringify(unfit)} is no host`,
      'Write accounts.zoho.eu, or *.myshopify.com for what is in front of a suffix.',
    )
  if (variable.hosts?.length === 0) throw invalid(`${path}.hosts: allows no host at all`)
  if (variable.any_host === true && variable.hosts !== undefined)
    throw invalid(`${path}.any_host: has no effect beside hosts`)
}

/** RFC 9110 section 5.6.2. */
const headerName = /^[\w!#$%&'*+.^`|~-]{1,100}$/
/** Headers that say where a message goes or ends: a token in one of them would be a broken request. */
const framing = /^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|dpop)$/i

function checkApi({ header, scheme }: NonNullable<ProviderProfile['api']>): void {
  if (header !== undefined && (!headerName.test(header) || framing.test(header)))
    throw invalid(
      `api.header: ${JSON.stringify(header)} cannot carry a token`,
      'Write the name of one header, such as X-Shopify-Access-Token.',
    )
  if (scheme !== undefined && !/^([!-~]{1,100})?$/.test(scheme))
    throw invalid(
      'api.scheme: is no word of printable ASCII characters',
      'Write the word in front of the token, or "" for none.',
    )
}

const times = [
  'quiescence',
  'assumed_lifetime',
  'refresh_before',
  'minimum_age',
  'refresh_token_lifetime',
  'refresh_token_idle',
  'refresh_rate',
] as const
/** Where none at all means something. */
const mayBeZero: readonly string[] = ['refresh_before', 'minimum_age']

function checkLifetimes(lifetimes: ProfileLifetimes): void {
  for (const key of times) {
    const value = lifetimes[key]
    if (value === undefined) continue
    if (!Number.isFinite(value) || value < 0 || (value === 0 && !mayBeZero.includes(key)))
      throw invalid(`lifetimes.${key}: is no number above 0`)
  }
  const { rotation, replay_class: replayClass, reuse_window: window } = lifetimes
  const windowed = replayClass !== undefined && isWindowed({ replayClass })
  if (window !== undefined && (!Number.isFinite(window) || window < 0))
    throw invalid('lifetimes.reuse_window: is no number of seconds')
  if (windowed && (window ?? 0) === 0)
    throw invalid(`lifetimes.reuse_window: replay_class ${replayClass} needs one`)
  if (!windowed && (window ?? 0) > 0)
    throw invalid(
      'lifetimes.reuse_window: has no effect without a replay_class',
      'Say what a used refresh token does within it: idempotent, last_child_wins or fork.',
    )
  if (rotation === 'always' && replayClass === 'non_rotating')
    throw invalid('lifetimes.rotation: always contradicts replay_class non_rotating')
}
