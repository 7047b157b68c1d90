import type { ClientOptions, ProviderProfile } from 'evertoken'
import { fault, type Path } from './origin.ts'
import { idFrom, type Profiles } from './profiles.ts'
import type { ClientDescription } from './schema.ts'
import { url } from './schema-types.ts'
import type { Written } from './secret-file.ts'
import { checkOptions } from './validation.ts'
import { filledIn } from './variables.ts'
import type { WrittenProfile } from './written-profile.ts'

/** Where a client's provider is, as the library takes it: an issuer, endpoints, or a profile. */
export type ProviderOptions = Pick<
  ClientOptions,
  | 'issuer'
  | 'tokenUrl'
  | 'authorizationUrl'
  | 'deviceAuthorizationUrl'
  | 'pushedAuthorizationRequestUrl'
  | 'revocationUrl'
  | 'introspectionUrl'
  | 'userinfoUrl'
  | 'profile'
  | 'variables'
>

/** The addresses that are options of the library themselves. */
const options = {
  issuer: 'issuer',
  token_url: 'tokenUrl',
  authorization_url: 'authorizationUrl',
  device_authorization_url: 'deviceAuthorizationUrl',
  pushed_authorization_request_url: 'pushedAuthorizationRequestUrl',
  revocation_url: 'revocationUrl',
  introspection_url: 'introspectionUrl',
  userinfo_url: 'userinfoUrl',
} as const satisfies Record<string, keyof ProviderOptions>

/**
 * What `provider` and `variables` of a client come to. Throws ConfigurationError for a provider or variable that is not
 * there, a variable that is missing, and all that is wrong with a profile.
 *
 * @param place of the client.
 */
export function providerOptions(
  { provider, variables = {} }: ClientDescription,
  profiles: Profiles,
  written: Written,
  place: Path,
): ProviderOptions {
  const at = [...place, 'provider']
  const plain = typeof provider === 'string' ? issuerOf(provider, written, at) : endpointsOf(provider)
  if (plain !== undefined) {
    if (Object.keys(variables).length > 0)
      throw fault(written, [...place, 'variables'], 'only the profile of a provider has variables', {
        advice: 'evertoken provider list shows those that are known; one of your own declares them itself.',
      })
    return plain
  }
  const profile = namedOrInline(provider, profiles, place)
  return { profile, variables: filledIn(profile, variables, written, place) }
}

/** The profile of a client's provider, or `undefined` where an issuer or endpoints are all of it. Throws as above. */
export function profileOf(
  { provider }: ClientDescription,
  profiles: Profiles,
  written: Written,
  place: Path,
): ProviderProfile | undefined {
  const at = [...place, 'provider']
  const plain = typeof provider === 'string' ? issuerOf(provider, written, at) : endpointsOf(provider)
  return plain === undefined ? namedOrInline(provider, profiles, place) : undefined
}

const namedOrInline = (
  provider: ClientDescription['provider'],
  profiles: Profiles,
  place: Path,
): ProviderProfile =>
  typeof provider === 'string'
    ? profiles.byId(provider, [...place, 'provider'])
    : profiles.inline(provider, [...place, 'provider'], idFrom(place.at(-1) ?? ''))

/** No id of a profile has a colon or a slash in it, and no URL is without. */
function issuerOf(provider: string, written: Written, place: Path): ProviderOptions | undefined {
  if (!/[:/]/.test(provider)) return undefined
  checkOptions(url('Issuer.'), provider, written, place)
  return { issuer: provider }
}

/** Nothing but addresses, all of them whole: a profile in which nothing differs from the RFC. */
function endpointsOf(profile: WrittenProfile): ProviderOptions | undefined {
  const plain: Record<string, string> = {}
  for (const [key, value] of Object.entries(profile)) {
    if (!Object.hasOwn(options, key) || typeof value !== 'string' || value.includes('{')) return undefined
    plain[options[key as keyof typeof options]] = value
  }
  return plain
}
