import path from 'node:path'
import {
  type AssertionOptions,
  authorizationCode,
  type ClientOptions,
  clientCredentials,
  EvertokenError,
  type GrantDefinition,
  type GrantOptions,
  jwtBearer,
  type LifetimeOptions,
  passwordCredentials,
  refreshToken,
  requestedToken,
  type SigningKeyOptions,
  type TokenExchangeOptions,
  tokenExchange,
} from 'evertoken'
import { deeplyFrozen } from './frozen.ts'
import { fault, type Path } from './origin.ts'
import { Profiles } from './profiles.ts'
import { type ProviderOptions, providerOptions } from './provider-options.ts'
import {
  type ClientDescription,
  describedGrantSchema,
  type GrantDescription,
  requestedGrantSchema,
} from './schema.ts'
import { givenSecret, givenSecrets, type Written } from './secret-file.ts'
import { checkOptions } from './validation.ts'

/** A description read: what the keeper's `add` and `ensure` take. */
export interface DescribedGrant {
  readonly definition: GrantDefinition
  readonly labels: Readonly<Record<string, string>>
}

export interface DescriptionOptions {
  /** The folder from which `…_file` keys count. Without it there are no such keys: a request reads no files of ours. */
  folder?: string | undefined
  /** What holds where the client does not say it: `private_network` at the top of evertoken.yaml. Default false. */
  privateNetwork?: boolean | undefined
}

/**
 * Reads a grant with its client in place, by the keys of evertoken.yaml:
 * `{ client: { provider, client_id, … }, grant_type, scope, labels, … }`.
 *
 * @throws ConfigurationError `unknown_key`, `invalid_configuration`, `empty_secret`, `key_file_unreadable`,
 *   `key_file_too_open`; the message names the key.
 */
export function definitionFromOptions(
  options: unknown,
  { folder, privateNetwork }: DescriptionOptions = {},
): DescribedGrant {
  checkOptions(folder === undefined ? requestedGrantSchema : describedGrantSchema, options, {})
  const { client: said, ...grant } = options as GrantDescription & { client: ClientDescription }
  const client = reaching(said, privateNetwork)
  const written = { folder }
  const provider = providerOptions(client, new Profiles({}, written), written, ['client'])
  return describedGrant(grant, client, provider, written, { grant: [], client: ['client'] })
}

/** A client with what holds for all that do not say it themselves. */
export const reaching = (
  client: ClientDescription,
  privateNetwork: boolean | undefined,
): ClientDescription =>
  privateNetwork === undefined ? client : { private_network: privateNetwork, ...client }

/** For a broker: how a grant is described in a request, and how that is read. */
export const requestedDescription = (options: Pick<DescriptionOptions, 'privateNetwork'>) =>
  Object.freeze({
    schema: requestedGrantSchema,
    read: (described: unknown): DescribedGrant => definitionFromOptions(described, options),
  })

/** The same for a broker without private networks. */
export const grantDescription = requestedDescription({})

/** Where a grant and its client stand in what was written. */
export interface Places {
  readonly grant: Path
  readonly client: Path
}

/** Makes the definition of options that have been held against their schema. */
export function describedGrant(
  grant: GrantDescription,
  client: ClientDescription,
  provider: ProviderOptions,
  written: Written,
  places: Places,
): DescribedGrant {
  checkBelongs(grant, written, places.grant)
  const options = {
    ...clientOptions(client, provider, written, places.client),
    ...grantOptions(grant, client),
  }
  const clientId = client.client_id ?? ''
  const define = (): GrantDefinition => {
    switch (grant.grant_type) {
      case 'client_credentials':
        return clientCredentials({ ...options, clientId })
      case 'authorization_code':
        return authorizationCode({
          ...options,
          clientId,
          authorizationParameters: grant.authorization_parameters,
        })
      case 'refresh_token': {
        const token = givenSecret(grant, 'refresh_token', written, places.grant)
        if (token === undefined) throw missing('refresh_token', grant, written, places.grant)
        return refreshToken({ ...options, clientId, refreshToken: token })
      }
      case 'jwt_bearer': {
        const assertion = assertionOptions(grant, written, places.grant)
        if (assertion === undefined) throw missing('assertion', grant, written, places.grant)
        return jwtBearer({ ...options, clientId, assertion })
      }
      case 'token_exchange': {
        const { subject_token_type: subjectTokenType } = grant
        if (subjectTokenType === undefined) throw missing('subject_token_type', grant, written, places.grant)
        return tokenExchange({ ...options, clientId, subjectTokenType, ...exchangeOptions(grant, written) })
      }
      case 'request': {
        const { profile } = provider
        if (profile === undefined)
          throw fault(
            written,
            [...places.client, 'provider'],
            'a grant of type request needs a profile that declares requests.request',
            {
              advice:
                'Name one, such as github-app-installation, or declare the request in a profile of your own.',
            },
          )
        const assertion = assertionOptions(grant, written, places.grant)
        return requestedToken({ ...options, clientId, profile, assertion })
      }
      case 'password':
        return passwordCredentials({ ...options, clientId })
      default:
        return grant.grant_type satisfies never
    }
  }
  try {
    return deeplyFrozen({ definition: define(), labels: { ...grant.labels } })
  } catch (error) {
    throw placed(error, grant, client, written, places)
  }
}

function clientOptions(
  client: ClientDescription,
  provider: ProviderOptions,
  written: Written,
  place: Path,
): ClientOptions {
  return {
    ...provider,
    clientSecret: givenSecrets(client, 'client_secret', written, place),
    clientAuthentication: client.client_authentication,
    signingKey: client.signing_key && signingKey(client.signing_key, written, [...place, 'signing_key']),
    // Only their places: what stands in them is renewed, and read whenever it is sent.
    clientAssertionFile: wholePath(client.client_assertion_file, written),
    clientCertificate: client.client_certificate,
    clientCertificateFile: wholePath(client.client_certificate_file, written),
    clientKeyFile: wholePath(client.client_key_file, written),
    clientAssertionAudience: client.client_assertion_audience,
    endpointHosts: client.endpoint_hosts,
    redirectUri: client.redirect_uri,
    validationUrl: client.validation_url,
    dpop: client.dpop,
    insecureHttp: client.insecure_http,
    privateNetwork: client.private_network,
    pushedAuthorization: client.pushed_authorization,
    ...lifetimeOptions(client),
  }
}

const wholePath = (file: string | undefined, { folder }: Written): string | undefined =>
  file === undefined || folder === undefined ? undefined : path.resolve(folder, file)

const lifetimeOptions = (client: ClientDescription): LifetimeOptions => ({
  quiescence: client.quiescence,
  oldTokenDies: client.old_token_dies,
  canary: client.canary,
  introspection: client.introspection,
  refreshTokenLifetime: client.refresh_token_lifetime,
  refreshTokenIdle: client.refresh_token_idle,
  minimumAge: client.minimum_age,
  loginLimit: client.login_limit,
  refresh: client.refresh,
  refreshRate: client.refresh_rate,
})

/** A class and its window belong together: a grant that names one of its own does not take the client's window. */
const replayOptions = (grant: GrantDescription, client: ClientDescription): LifetimeOptions =>
  grant.replay_class === undefined
    ? { replayClass: client.replay_class, reuseWindow: grant.reuse_window ?? client.reuse_window }
    : { replayClass: grant.replay_class, reuseWindow: grant.reuse_window }

/** What a client says of its grants holds where the grant itself says nothing. */
const grantOptions = (
  grant: GrantDescription,
  client: ClientDescription,
): GrantOptions & LifetimeOptions => ({
  scope: grant.scope,
  resource: grant.resource,
  refreshBefore: grant.refresh_before ?? client.refresh_before,
  ...replayOptions(grant, client),
  assumedLifetime: grant.assumed_lifetime ?? client.assumed_lifetime,
  parameters: grant.parameters,
  metadata: grant.metadata,
})

function assertionOptions(
  { assertion }: GrantDescription,
  written: Written,
  place: Path,
): AssertionOptions | undefined {
  if (assertion === undefined) return undefined
  return { ...assertion, key: signingKey(assertion.key, written, [...place, 'assertion', 'key']) }
}

/** Of files only their places: what stands in them is renewed, and read whenever it is sent. */
function exchangeOptions(
  grant: GrantDescription,
  { folder }: Written,
): Omit<TokenExchangeOptions, 'subjectTokenType'> {
  const at = (file: string | undefined): string | undefined =>
    file === undefined || folder === undefined ? undefined : path.resolve(folder, file)
  return {
    subjectToken: grant.subject_token,
    subjectTokenFile: at(grant.subject_token_file),
    actorToken: grant.actor_token,
    actorTokenFile: at(grant.actor_token_file),
    actorTokenType: grant.actor_token_type,
    requestedTokenType: grant.requested_token_type,
    audience: grant.audience,
  }
}

type SigningKeyDescription = NonNullable<ClientDescription['signing_key']>

function signingKey(key: SigningKeyDescription, written: Written, place: Path): SigningKeyOptions {
  const held = givenSecret(key, 'key', written, place)
  if (held === undefined)
    throw fault(written, place, `neither key${written.folder === undefined ? '' : ' nor key_file'} is given`)
  return { algorithm: key.algorithm, key: held, keyId: key.key_id }
}

/** Keys that only some types of grant have: elsewhere they would be silently without effect. */
const belongs: Partial<Record<keyof GrantDescription, readonly GrantDescription['grant_type'][]>> = {
  assertion: ['jwt_bearer', 'request'],
  authorization_parameters: ['authorization_code'],
  refresh_token: ['refresh_token'],
  refresh_token_file: ['refresh_token'],
  subject_token: ['token_exchange'],
  subject_token_file: ['token_exchange'],
  subject_token_type: ['token_exchange'],
  actor_token: ['token_exchange'],
  actor_token_file: ['token_exchange'],
  actor_token_type: ['token_exchange'],
  requested_token_type: ['token_exchange'],
  audience: ['token_exchange'],
}

function checkBelongs(grant: GrantDescription, written: Written, place: Path): void {
  for (const [key, types] of Object.entries(belongs))
    if (Object.hasOwn(grant, key) && !types.includes(grant.grant_type))
      throw fault(
        written,
        [...place, key],
        `only a grant of type ${types.join(' or ')} has this, not ${grant.grant_type}`,
      )
}

const missing = (key: string, grant: GrantDescription, written: Written, place: Path): Error =>
  fault(written, place, `${key} is missing: a grant of type ${grant.grant_type} needs it`)

/** An option as the library calls it, by the key that it has here. */
const spelled = (option: string): string =>
  option.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const ours = (text: string): string => text.replaceAll(/\b[a-z]+(?:[A-Z][a-z]+)+\b/g, spelled)

const inClient =
  /(?<!assertion\.)\b(issuer|token_url|authorization_url|device_authorization_url|pushed_authorization_request_url|client_\w+|endpoint_hosts|signing_key|variables?|profile)\b/

/** Keys whose trouble is told at the key itself, the one that is complained about first. */
const lifetimeKeys = [
  'reuse_window',
  'replay_class',
  'quiescence',
  'canary',
  'introspection',
  'refresh_token_lifetime',
  'refresh_token_idle',
  'minimum_age',
  'login_limit',
  'refresh_rate',
] as const

/** The library's own complaint, with where the reason was written. */
function placed(
  error: unknown,
  grant: GrantDescription,
  client: ClientDescription,
  written: Written,
  places: Places,
): unknown {
  if (!(error instanceof EvertokenError) || 'line' in error) return error
  const message = ours(error.message)
  const said = lifetimeKeys.filter((key) => new RegExp(`\\b${key}\\b`).test(message))
  const inGrant = said.find((key) => Object.hasOwn(grant, key))
  const key =
    inGrant ??
    said.find((name) => Object.hasOwn(client, name)) ??
    (error.code === 'insecure_http' ? 'provider' : undefined)
  const place =
    inGrant !== undefined || (key === undefined && !inClient.test(message)) ? places.grant : places.client
  return fault(written, key === undefined ? place : [...place, key], message, {
    code: error.code,
    advice: error.advice === undefined ? undefined : ours(error.advice),
  })
}
