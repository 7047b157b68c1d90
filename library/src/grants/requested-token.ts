import { namesIn } from '../oauth/template.ts'
import type { ProviderProfile, RequestDialect } from '../providers/profile.ts'
import { type AssertionOptions, assertionTemplate } from './assertion-options.ts'
import { type ClientOptions, type GrantDefinition, type GrantOptions, resolve } from './definition.ts'
import { invalid } from './option-check.ts'
import { withProfile } from './profile-options.ts'

export type RequestedTokenOptions = ClientOptions &
  GrantOptions & {
    /** One that declares `requests.request`. */
    profile: ProviderProfile
    /** Where that request carries an `{assertion}`: what it says and who signs it. */
    assertion?: AssertionOptions | undefined
  }

/**
 * A token minted by a request that the profile declares: by a JWT of an app (GitHub App installations), or by an API key that
 * stands in a variable. Sent anew before each expiry; there is no refresh token.
 *
 * @throws EvertokenError `invalid_configuration`, `empty_secret`.
 */
export function requestedToken(options: RequestedTokenOptions): GrantDefinition {
  const { profile, assertion } = options
  const declared = profile?.requests?.request
  if (declared === undefined)
    throw invalid(
      'a grant of type request needs a profile that declares requests.request',
      'Use the grant type that the provider has by RFC, or declare the request.',
    )
  const profiled = withProfile('request', options)
  const rules = [declared, profile.requests?.all ?? {}]
  const signs = rules.some((part) => namedIn(part).includes('assertion'))
  if (signs && assertion === undefined)
    throw invalid(
      `profile ${profile.id} signs its request, and assertion is missing`,
      'Give assertion with the key that signs; on the command line --signing-key-file.',
    )
  if (!signs && assertion !== undefined)
    throw invalid(`assertion has no effect: the request of profile ${profile.id} carries none`)
  const wanted = profile.assertion?.algorithm
  if (assertion !== undefined && wanted !== undefined && assertion.key.algorithm !== wanted)
    throw invalid(
      `assertion.key.algorithm is ${assertion.key.algorithm}, and profile ${profile.id} wants ${wanted}`,
      'Use the key that the provider made or knows.',
    )
  return resolve('request', profiled, {
    assertion: assertion && assertionTemplate(assertion, profiled.assertion),
  })
}

const namedIn = ({ headers = {}, parameters = {} }: RequestDialect): readonly string[] =>
  [...Object.values(headers), ...Object.values(parameters)].flatMap((template) => namesIn(template ?? ''))
