import { namesIn } from '../oauth/template.ts'
import type { ProviderDialect } from '../providers/dialect.ts'
import type { ProviderProfile, RequestDialect } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import { invalid } from './option-check.ts'
import { addressNames } from './profile-request-check.ts'
import { filledAddress, type VariableValues } from './profile-variables.ts'

/**
 * The part of a profile that the wire needs, copied and frozen; undefined where the provider speaks as the RFC does. Addresses are
 * filled in here once and for all, so that none is refused at a refresh.
 *
 * @throws EvertokenError `invalid_configuration` where a variable does not fit the address or header that it stands in.
 */
export function dialectOf(profile: ProviderProfile, variables: VariableValues): ProviderDialect | undefined {
  const { id, basic, client_assertion, requests, answer, errors, consent } = profile
  const parts = {
    basic,
    client_assertion,
    requests: requests && requestsOf(profile, requests, variables),
    answer,
    errors,
    consent,
  }
  if (Object.values(parts).every((part) => part === undefined)) return undefined
  return Object.freeze({ id, ...(frozen(parts) as typeof parts), variables }) as ProviderDialect
}

function requestsOf(
  profile: ProviderProfile,
  requests: NonNullable<ProviderProfile['requests']>,
  variables: VariableValues,
): ProviderProfile['requests'] {
  return Object.fromEntries(
    Object.entries(requests).map(([operation, rules]: [string, RequestDialect]) => {
      checkHeaders(profile, rules.headers ?? {}, variables)
      if (rules.url === undefined) return [operation, rules]
      return [operation, { ...rules, url: addressOf(profile, operation, rules.url, variables) }]
    }),
  )
}

/** With what only a request knows left standing: behind the host, which `checkProfile` has seen to. */
function addressOf(
  profile: ProviderProfile,
  operation: string,
  template: string,
  variables: VariableValues,
): string {
  if (operation !== 'revoke') return filledAddress(profile, template, variables)
  const places = Object.fromEntries(addressNames.map((name) => [name, `evertoken-${name}-place`]))
  const filled = filledAddress(profile, template, { ...variables, ...places })
  return addressNames.reduce((url, name) => url.replaceAll(places[name] as string, `{${name}}`), filled)
}

/** RFC 9110 section 5.5, without what not every server takes. */
const headerText = /^[\x20-\x7e]*$/

function checkHeaders(
  { id }: ProviderProfile,
  headers: Readonly<Record<string, string>>,
  variables: VariableValues,
): void {
  for (const [header, template] of Object.entries(headers)) {
    const unfit = namesIn(template).find((name) => {
      const value = variables[name]
      return !headerText.test(value instanceof Secret ? value.reveal() : (value ?? ''))
    })
    if (unfit !== undefined)
      throw invalid(
        `the variable ${unfit} of profile ${id} cannot stand in the header ${header}`,
        `Write ${unfit} in printable ASCII characters, without a line break.`,
      )
  }
}

/** A copy that nobody can change, without what is undefined. */
function frozen(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return Object.freeze(value.map(frozen))
  return Object.freeze(
    Object.fromEntries(
      Object.entries(value).flatMap(([name, part]) => (part === undefined ? [] : [[name, frozen(part)]])),
    ),
  )
}
