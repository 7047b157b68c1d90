import { type AddressValue, fillAddress } from '../oauth/address-template.ts'
import { namesIn } from '../oauth/template.ts'
import type { ProfileVariable, ProviderProfile } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import { invalid } from './option-check.ts'

/** Characters; a tenant is short, and a regular expression of a profile is not to be kept busy. */
const longest = 1024
const usualPattern = '[A-Za-z0-9][A-Za-z0-9.-]*'
/** It goes into a header or a parameter. */
const secretPattern = '[\\x21-\\x7e]+'

/** What the whole value of a profile's variable must match: its `pattern`, else the usual one of its kind. */
export const variablePattern = ({ pattern, secret }: Pick<ProfileVariable, 'pattern' | 'secret'>): string =>
  pattern ?? (secret === true ? secretPattern : usualPattern)

/** Throws a SyntaxError for what is no regular expression. */
export const patternOf = (variable: ProfileVariable): RegExp =>
  new RegExp(`^(?:${variablePattern(variable)})$`, 'u')

/** What the variables of a profile hold, by name. */
export type VariableValues = Readonly<Record<string, string | Secret>>

/**
 * The values of a profile's variables: what is given, else their defaults. None of them is ever shown.
 *
 * @throws EvertokenError `invalid_configuration` for one that is missing, unknown, or not what the profile says of it.
 */
export function resolveVariables(profile: ProviderProfile, given: VariableValues = {}): VariableValues {
  const { id, variables = {} } = profile
  const names = Object.keys(variables)
  const unknown = Object.keys(given).find((name) => !Object.hasOwn(variables, name))
  if (unknown !== undefined)
    throw invalid(
      `profile ${id} has no variable ${JSON.stringify(unknown.slice(0, 100))}`,
      names.length === 0 ? 'It has none: leave it out.' : `Its variables are ${names.join(', ')}.`,
    )
  return Object.freeze(
    Object.fromEntries(
      Object.entries(variables).map(([name, variable]) => [name, heldValue(id, name, variable, given[name])]),
    ),
  )
}

function heldValue(
  id: string,
  name: string,
  variable: ProfileVariable,
  given: string | Secret | undefined,
): string | Secret {
  const value = given ?? variable.default
  if (value === undefined)
    throw invalid(`profile ${id} needs the variable ${name}: ${variable.description}`, wanted(name, variable))
  if (typeof value !== 'string' && !(value instanceof Secret))
    throw new TypeError(`the variable ${name} of profile ${id} must be a string`)
  const text = typeof value === 'string' ? value : value.reveal()
  if (text === '' || text.length > longest || !patternOf(variable).test(text))
    throw invalid(
      `the variable ${name} of profile ${id} is not what it must be: ${variable.description}`,
      wanted(name, variable),
    )
  return variable.secret === true ? new Secret(text) : value
}

function wanted(name: string, variable: ProfileVariable): string {
  const { example, hosts } = variable
  if (example !== undefined) return `Write ${name} like this: ${example}`
  if (hosts !== undefined) return `Write ${name} so that the host is one of ${hosts.join(', ')}.`
  return variable.secret === true
    ? `Write ${name} as it is, without white space.`
    : `Write ${name} so that it matches ${patternOf(variable).source}`
}

/**
 * An address of a profile with its variables filled in.
 *
 * @throws EvertokenError `invalid_configuration` where a value would move it to a host that the profile does not mean.
 */
export function filledAddress(profile: ProviderProfile, template: string, values: VariableValues): string {
  const held: Record<string, AddressValue> = {}
  for (const name of namesIn(template)) {
    const value = values[name]
    const { hosts, any_host: anyHost } = profile.variables?.[name] ?? {}
    if (value !== undefined) held[name] = { value: textOf(value), hosts, anyHost }
  }
  const filled = fillAddress(template, held)
  if (typeof filled === 'string') return filled
  const { name, problem } = filled
  const variable = name === undefined ? undefined : profile.variables?.[name]
  if (name === undefined || variable === undefined)
    throw invalid(`profile ${profile.id}: the address ${template} ${problem}`)
  throw invalid(
    `the variable ${name} of profile ${profile.id} ${problem}: ${variable.description}`,
    wanted(name, variable),
  )
}

const textOf = (value: string | Secret): string => (typeof value === 'string' ? value : value.reveal())
