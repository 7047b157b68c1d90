import { fillTemplate } from '../oauth/template.ts'
import type { ProviderDialect } from '../providers/dialect.ts'
import type { AssertionDefaults, ProfileLifetimes, ProviderProfile } from '../providers/profile.ts'
import type { ClientAuthenticationMethod, ClientOptions, GrantOptions } from './definition.ts'
import { type GrantType, mints } from './grant.ts'
import { isWindowed, type ReplayClass } from './lifetime-facts.ts'
import type { LifetimeOptions } from './lifetime-options.ts'
import { invalid } from './option-check.ts'
import { checkProfile } from './profile-check.ts'
import { dialectOf } from './profile-dialect.ts'
import { filledAddress, resolveVariables, type VariableValues } from './profile-variables.ts'
import { statedPlace } from './stated-place.ts'

/** Options with what their profile says, and the part of it that the wire needs. */
export interface ProfiledOptions<Options> {
  readonly options: Options
  readonly dialect?: ProviderDialect | undefined
  /** How an API of the provider wants the access token. */
  readonly api?: ProviderProfile['api'] | undefined
  /** Where it says that the lifetime of a token stands, for people. */
  readonly statedAt?: string | undefined
  /** What an assertion says where its user does not say otherwise. */
  readonly assertion?: AssertionDefaults | undefined
}

/**
 * What a profile says as defaults for the options that it stands among.
 *
 * @throws EvertokenError `invalid_configuration` for a profile that cannot be, and for variables that do not fit it.
 */
export function withProfile<Options extends ClientOptions & GrantOptions>(
  grantType: GrantType,
  given: Options,
): ProfiledOptions<Options> {
  const { profile, variables } = given
  if (profile === undefined) {
    if (variables === undefined) return { options: given }
    throw invalid('variables have no effect without a profile')
  }
  checkProfile(profile)
  const values = resolveVariables(profile, variables)
  const elsewhere = isElsewhere(profile, values, given)
  const addressed = elsewhere ? given : { ...given, ...addressesOf(profile, values, given) }
  return {
    options: {
      ...addressed,
      clientAuthentication: authenticationOf(profile, given),
      dpop: given.dpop ?? profile.dpop,
      ...lifetimesOf(grantType, profile, addressed),
    },
    dialect: dialectOf(elsewhere ? withoutAddresses(profile) : profile, values),
    api: profile.api,
    statedAt: statedPlace(profile, profile.lifetimes?.never_expires),
    assertion: assertionOf(profile, values, given.clientId),
  }
}

function assertionOf(
  { assertion = {} }: ProviderProfile,
  values: VariableValues,
  clientId: string | undefined,
): AssertionDefaults {
  const filled = (template: string): string | undefined =>
    fillTemplate(template, (name) => (name === 'client_id' ? clientId : readable(values[name]))) || undefined
  const texts = (['issuer', 'subject', 'audience'] as const).flatMap((key) => {
    const value = assertion[key] === undefined ? undefined : filled(assertion[key])
    return value === undefined ? [] : [[key, value]]
  })
  const claims = Object.entries(assertion.claims ?? {}).map(([name, template]) => [
    name,
    template === null ? null : filled(template),
  ])
  const { lifetime, backdate } = assertion
  return {
    ...Object.fromEntries(texts),
    ...(lifetime === undefined ? {} : { lifetime }),
    ...(backdate === undefined ? {} : { backdate }),
    ...(claims.length === 0 ? {} : { claims: Object.fromEntries(claims) }),
  }
}

/** An assertion is signed, not sealed: no secret stands in it. */
const readable = (value: VariableValues[string] | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined

type Addresses = Pick<
  ClientOptions,
  | 'issuer'
  | 'tokenUrl'
  | 'authorizationUrl'
  | 'revocationUrl'
  | 'introspectionUrl'
  | 'userinfoUrl'
  | 'deviceAuthorizationUrl'
  | 'pushedAuthorizationRequestUrl'
>

/** Another issuer is another server: it is discovered, and nothing goes to the addresses of the profile. */
const isElsewhere = (profile: ProviderProfile, values: VariableValues, { issuer }: Addresses): boolean =>
  issuer !== undefined &&
  (profile.issuer === undefined || issuer !== filledAddress(profile, profile.issuer, values))

function withoutAddresses(profile: ProviderProfile): ProviderProfile {
  const requests = Object.entries(profile.requests ?? {}).map(([operation, { url: _, ...rules }]) => [
    operation,
    rules,
  ])
  return requests.length === 0 ? profile : { ...profile, requests: Object.fromEntries(requests) }
}

function addressesOf(profile: ProviderProfile, values: VariableValues, given: Addresses): Addresses {
  const filled = (template: string | undefined): string | undefined =>
    template === undefined ? undefined : filledAddress(profile, template, values)
  return {
    issuer: given.issuer ?? filled(profile.issuer),
    tokenUrl: given.tokenUrl ?? filled(profile.token_url),
    authorizationUrl: given.authorizationUrl ?? filled(profile.authorization_url),
    revocationUrl: given.revocationUrl ?? filled(profile.revocation_url),
    introspectionUrl: given.introspectionUrl ?? filled(profile.introspection_url),
    userinfoUrl: given.userinfoUrl ?? filled(profile.userinfo_url),
    deviceAuthorizationUrl: given.deviceAuthorizationUrl ?? filled(profile.device_authorization_url),
    pushedAuthorizationRequestUrl:
      given.pushedAuthorizationRequestUrl ?? filled(profile.pushed_authorization_request_url),
  }
}

/** An issuer that is discovered may name the endpoint. */
export const isIntrospectable = ({ issuer, tokenUrl, introspectionUrl }: Addresses): boolean =>
  introspectionUrl !== undefined || (issuer !== undefined && tokenUrl === undefined)

/** The profile's method where its user has what it takes; else it is as what he has implies. */
function authenticationOf(
  { client_authentication: method, client_assertion: assertion }: ProviderProfile,
  given: ClientOptions,
): ClientAuthenticationMethod | undefined {
  const { clientAuthentication, clientSecret, signingKey, clientAssertionFile } = given
  if (clientAuthentication !== undefined || clientAssertionFile !== undefined) return clientAuthentication
  if (method === 'tls_client_auth' || method === 'self_signed_tls_client_auth')
    return (given.clientCertificate ?? given.clientCertificateFile) === undefined ? undefined : method
  if (method === 'private_key_jwt') {
    if (signingKey !== undefined) return method
    // Whoever signs himself brings the JWT as what it is sent as.
    return clientSecret !== undefined && assertion?.parameter === 'client_secret'
      ? 'client_secret_post'
      : undefined
  }
  if (method === 'none' || signingKey !== undefined) return signingKey === undefined ? method : undefined
  return clientSecret === undefined ? undefined : method
}

/** Seconds. As long as an answer can say: nothing of it is refreshed before somebody reports the token as refused. */
const hundredYears = 100 * 365.25 * 86_400

function lifetimesOf(
  grantType: GrantType,
  profile: ProviderProfile,
  given: LifetimeOptions & GrantOptions & Addresses,
): LifetimeOptions & Pick<GrantOptions, 'refreshBefore' | 'assumedLifetime'> {
  const said: ProfileLifetimes = profile.lifetimes ?? {}
  const assumed = said.never_expires === true ? hundredYears : said.assumed_lifetime
  return {
    ...replayOf(grantType, profile, given),
    quiescence: given.quiescence ?? said.quiescence,
    oldTokenDies: given.oldTokenDies ?? said.old_token_dies,
    introspection: given.introspection ?? (said.introspection === true && isIntrospectable(given)),
    refreshTokenLifetime: given.refreshTokenLifetime ?? said.refresh_token_lifetime,
    refreshTokenIdle: given.refreshTokenIdle ?? said.refresh_token_idle,
    minimumAge: given.minimumAge ?? said.minimum_age,
    loginLimit: given.loginLimit ?? said.login_limit,
    refreshRate: given.refreshRate ?? said.refresh_rate,
    refreshBefore: given.refreshBefore ?? said.refresh_before,
    assumedLifetime: given.assumedLifetime ?? assumed,
  }
}

/**
 * Replay class and window. Sending a used refresh token again where that ends the login is the one mistake that costs it, so
 * a class other than `strict` is believed only of a profile that was read in a source, or that its user wrote. `rotation` says nothing
 * of it: of a provider that rotates by a setting, or since last month, it is the first thing to be wrong.
 */
function replayOf(
  grantType: GrantType,
  profile: ProviderProfile,
  given: LifetimeOptions,
): Pick<LifetimeOptions, 'replayClass' | 'reuseWindow'> {
  const { replayClass, reuseWindow } = given
  if (mints(grantType)) return { replayClass, reuseWindow }
  const { replay_class: said, reuse_window: window } = profile.lifetimes ?? {}
  const held: ReplayClass | undefined = replayClass ?? (isRecalled(profile) ? undefined : said)
  const windowed = held !== undefined && isWindowed({ replayClass: held })
  return { replayClass: held, reuseWindow: reuseWindow ?? (windowed ? window : undefined) }
}

const deciding = ['lifetimes', 'lifetimes.replay_class', 'lifetimes.reuse_window']

const isRecalled = ({ facts }: ProviderProfile): boolean =>
  facts !== undefined &&
  (facts.confidence === 'recalled' || facts.recalled?.some((key) => deciding.includes(key)) === true)
