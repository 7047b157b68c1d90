import { type GrantType, grantIdPattern, grantTypes, type ReplayClass } from 'evertoken'
import { type Static, Type } from 'typebox'
import { clientAuthenticationMethods } from './client-authentication.ts'
import { addresses, profileNames, variableNames } from './profile-schema.ts'
import {
  anything,
  file,
  keys,
  mapOf,
  type Names,
  named,
  oneOf,
  quietSeconds,
  seconds,
  secret,
  secretOrTwo,
  text,
  texts,
  url,
} from './schema-types.ts'
import { writtenProfileSchema } from './written-profile.ts'

const algorithm = oneOf(['HS256', 'RS256', 'ES256', 'EdDSA'], 'Signing algorithm (RFC 7518, RFC 8037).')
const keyText = secret('PKCS #8 PEM or the JSON text of a private JWK; for HS256 the shared secret.')
const keyFile = file('A file that holds the key alone, mode 0600; a relative path counts from this file.')
const keyId = text('`kid` in the JOSE header.')

const signingKey = keys(
  {
    algorithm,
    key: Type.Optional(keyText),
    key_file: Type.Optional(keyFile),
    key_id: Type.Optional(keyId),
  },
  'The key that signs.',
)

const tuning = {
  refresh_before: Type.Optional(
    seconds('Seconds before expiry at which a token is refreshed; never more than half its life.'),
  ),
  replay_class: Type.Optional(
    oneOf<ReplayClass>(
      ['strict', 'idempotent', 'last_child_wins', 'fork', 'non_rotating'],
      'What the provider does when a used refresh token comes again; default strict.',
    ),
  ),
  reuse_window: Type.Optional(
    seconds(
      'Seconds after its first use in which a refresh token may come again; idempotent, last_child_wins and fork need it.',
    ),
  ),
  assumed_lifetime: Type.Optional(
    seconds('Seconds a token is taken to live where the provider does not say; default 3300.'),
  ),
}

const lifetimes = {
  quiescence: Type.Optional(
    quietSeconds(
      'Seconds for which a request without an answer is waited for where sending it again could end the login; default 120, at least 15.',
    ),
  ),
  old_token_dies: Type.Optional(
    Type.Boolean({
      description:
        'A refresh kills the access token before at once, so readers wait for the new one; default false.',
    }),
  ),
  canary: Type.Optional(
    url(
      'An address that answers a GET with 401 to a dead access token, 2xx to a live one, and changes nothing; needs old_token_dies.',
    ),
  ),
  introspection: Type.Optional(
    Type.Boolean({
      description:
        'Introspection (RFC 7662) of a refresh token changes nothing here, so it may tell whether one still lives; default false.',
    }),
  ),
  refresh_token_lifetime: Type.Optional(
    seconds('Seconds after the login at which refresh tokens die, however often they are used.'),
  ),
  refresh_token_idle: Type.Optional(seconds('Seconds without use after which a refresh token dies.')),
  minimum_age: Type.Optional(
    seconds(
      'The provider refuses a refresh sooner than these seconds after the one before: none is sent until then.',
    ),
  ),
  login_limit: Type.Optional(
    keys(
      {
        count: Type.Integer({ minimum: 1, maximum: 10 ** 9, description: 'How many logins live at a time.' }),
        per: Type.Optional(text('Of what, for people; default: user and client.')),
      },
      'More logins than that, and the provider ends the oldest: evertoken login and list warn of it.',
    ),
  ),
  refresh: Type.Optional(
    oneOf(
      ['ahead', 'on_demand'],
      'ahead: before expiry, by the worker. on_demand: when somebody reads. Default ahead.',
    ),
  ),
  refresh_rate: Type.Optional(
    Type.Number({
      minimum: 0,
      maximum: 10 ** 6,
      description:
        'The most token requests a second for this client, over all machines; default: no limit while the provider is well.',
    }),
  ),
}

const providerName = Type.String({
  minLength: 1,
  title: 'an issuer URL, the id of a provider',
  description:
    'An issuer to discover (RFC 8414, OpenID Connect Discovery), or the id of a profile: one of providers, or of the catalogue (evertoken provider list).',
})

const provider = Type.Union([providerName, writtenProfileSchema], {
  description: 'The authorization server: an issuer URL, the id of a profile, or a profile.',
})

/**
 * What a request may say of a provider. Not more: with requests and answers of its own design it could have the broker
 * send anything to any address and read what comes back.
 */
const requestedProvider = Type.Union(
  [
    Type.String({
      minLength: 1,
      title: 'an issuer URL, the id of a provider',
      description:
        'An issuer to discover (RFC 8414, OpenID Connect Discovery), or the id of a profile of the catalogue (evertoken provider list).',
    }),
    keys(addresses, 'The endpoints themselves.'),
  ],
  { description: 'The authorization server: an issuer URL, the id of a profile, or its endpoints.' },
)

const privateNetwork = Type.Optional(
  Type.Boolean({
    description:
      'The provider is in a network of your own: allows addresses that are not on the public internet (RFC 6890); default: what stands at the top of the file, else false. Link-local and metadata addresses are refused always.',
  }),
)

const clientKeys = {
  variables: Type.Optional(
    mapOf(
      Type.String({ minLength: 1, writeOnly: true }),
      'What the profile of the provider asks for: a tenant, a shop, a key of a subscription.',
      variableNames,
    ),
  ),
  client_id: Type.Optional(text('Client id (RFC 6749 section 2.2).')),
  client_secret: Type.Optional(
    secretOrTwo(
      'Client secret; while it is being rotated a list of two: the second is used where the provider refuses the first.',
    ),
  ),
  client_secret_file: Type.Optional(
    file(
      'A file that holds the client secret alone, or two, one a line; mode 0600; a relative path counts from this file.',
    ),
  ),
  client_authentication: Type.Optional(
    oneOf(
      clientAuthenticationMethods,
      'How the client authenticates; default private_key_jwt with signing_key, client_secret_basic with a secret, tls_client_auth with a certificate alone, else none.',
    ),
  ),
  signing_key: Type.Optional(signingKey),
  client_assertion_file: Type.Optional(
    file(
      'A file with a signed JWT that a platform renews, read for every request and sent as client_assertion (private_key_jwt, RFC 7523) in place of a secret or a key; a relative path counts from this file.',
    ),
  ),
  client_certificate: Type.Optional(
    keys(
      {
        certificate: text('PEM, with its chain where there is one.'),
        key: secret('Its private key as PEM, unencrypted.'),
      },
      'Shown to the provider in the TLS handshake (RFC 8705).',
    ),
  ),
  client_certificate_file: Type.Optional(
    file(
      'In place of client_certificate: a file with it, read for every request; a relative path counts from this file.',
    ),
  ),
  client_key_file: Type.Optional(
    file('A file with the private key of client_certificate_file, read with it; may be the same file.'),
  ),
  redirect_uri: Type.Optional(
    text(
      'Where the provider sends a person back to: only for those that want to hear it at every refresh (send: [redirect_uri] in their profile).',
    ),
  ),
  validation_url: Type.Optional(
    url(
      'For evertoken validate: an address that answers a GET with 401 to a dead access token, 2xx to a live one, and changes nothing.',
    ),
  ),
  endpoint_hosts: Type.Optional(
    Type.Array(Type.String({ minLength: 1 }), {
      maxItems: 16,
      description:
        'Hosts at which the issuer may have its endpoints. Default: its own, those below it, and those that it named when it was first asked for this client; a move to another is refused (endpoint_moved) until it stands here.',
    }),
  ),
  client_assertion_audience: Type.Optional(
    texts(
      '`aud` of client assertions: issuer, token_endpoint, any other value, or a list of these; default: the issuer alone where one is known, else the token endpoint.',
    ),
  ),
  pushed_authorization: Type.Optional(
    Type.Boolean({
      description:
        'Hands authorization requests to the provider before a browser opens (RFC 9126); default false, and done all the same where the metadata of the issuer requires it.',
    }),
  ),
  dpop: Type.Optional(
    Type.Boolean({
      description:
        'Binds tokens to a key that is made for each grant and never leaves evertoken (DPoP, RFC 9449); default: as the profile says, else false.',
    }),
  ),
  insecure_http: Type.Optional(
    Type.Boolean({ description: 'Allows plain http to a host that is not loopback; default false.' }),
  ),
  ...tuning,
  ...lifetimes,
}

const client = keys(
  { provider, ...clientKeys, private_network: privateNetwork },
  'Our registration at a provider.',
)
/** Whether the broker may be sent into its own network is not for a request to say. */
const requestedClient = keys(
  { provider: requestedProvider, ...clientKeys },
  'Our registration at a provider.',
)

export type ClientDescription = Static<typeof client>

const tokenType = (description: string) =>
  text(
    `${description}: access_token, refresh_token, id_token, saml1, saml2, jwt, or the URI of another type.`,
  )

const grant = {
  grant_type: oneOf<GrantType>(
    grantTypes,
    'How the grant is obtained. refresh_token imports a login that began elsewhere; password is one by user name and password, which evertoken login asks for; request mints by a request that the profile of the provider declares.',
  ),
  scope: Type.Optional(texts('Scope: a list, or one text with spaces.')),
  resource: Type.Optional(texts('Resource indicators (RFC 8707).')),
  ...tuning,
  labels: Type.Optional(named('For filters and policy; at most 32.')),
  parameters: Type.Optional(named('More parameters of the token request.')),
  metadata: Type.Optional(
    Type.Array(Type.String(), {
      description: "Members of the provider's answer to hand out beside the token.",
    }),
  ),
  authorization_parameters: Type.Optional(
    named('More parameters of the authorization request: prompt, access_type.'),
  ),
  refresh_token: Type.Optional(secret('The newest refresh token of a login that is imported.')),
  refresh_token_file: Type.Optional(
    file('A file that holds the refresh token alone, mode 0600; a relative path counts from this file.'),
  ),
  assertion: Type.Optional(
    keys(
      {
        issuer: Type.Optional(text('`iss`; may be left out where the profile of the provider says it.')),
        subject: Type.Optional(text('`sub`; default: the issuer.')),
        audience: Type.Optional(texts('`aud`; default: the token endpoint.')),
        lifetime: Type.Optional(seconds('Seconds from `iat` to `exp`; default 300.')),
        claims: Type.Optional(anything('Any claim, also in place of one above; null leaves one out.')),
        header: Type.Optional(anything('More members of the JOSE header.')),
        key: signingKey,
      },
      'The signed assertion of a jwt_bearer grant (RFC 7523), or of one of type request.',
    ),
  ),
  subject_token: Type.Optional(secret('For token_exchange (RFC 8693): the token that is exchanged.')),
  subject_token_file: Type.Optional(
    file(
      'The same in a file that somebody else renews: read for every request; a relative path counts from this file.',
    ),
  ),
  subject_token_type: Type.Optional(tokenType('What the subject token is')),
  actor_token: Type.Optional(
    secret('For token_exchange: who acts for the subject, where that is somebody else.'),
  ),
  actor_token_file: Type.Optional(
    file(
      'The same in a file that somebody else renews: read for every request; a relative path counts from this file.',
    ),
  ),
  actor_token_type: Type.Optional(tokenType('What the actor token is')),
  requested_token_type: Type.Optional(
    tokenType('For token_exchange: what is wanted; default: what the provider gives'),
  ),
  audience: Type.Optional(
    texts('For token_exchange: names of the services for which the token is; addresses stand in resource.'),
  ),
}

const grantSchema = keys(grant)

/** A grant as it is written, whose client may stand elsewhere. */
export type GrantDescription = Static<typeof grantSchema>

/** A grant with its client in place, as the command's options give it. */
export const describedGrantSchema = keys({ client, ...grant }, 'A grant and its client.')

/** The same for a request: nobody may have the broker read a file of its own, so it knows no `…_file` keys. */
export const requestedGrantSchema = withoutFiles(
  keys({ client: requestedClient, ...grant }, 'A grant and its client.'),
)

function withoutFiles<T>(schema: T): T {
  if (Array.isArray(schema)) return schema.map(withoutFiles) as T
  if (typeof schema !== 'object' || schema === null) return schema
  const members = Object.entries(schema).filter(([name]) => !name.endsWith('_file'))
  return Object.fromEntries(members.map(([name, member]) => [name, withoutFiles(member)])) as T
}

const grantNames: Names = {
  title: 'a grant',
  pattern: grantIdPattern,
  description: 'letters, digits, dot, dash and underscore, beginning with a letter or digit, up to 128',
}

/** The whole of `evertoken.yaml`. */
export const configurationSchema = keys({
  listen: Type.Optional(
    Type.String({ description: 'Host and port that the broker listens on; default 127.0.0.1:7420.' }),
  ),
  public_url: Type.Optional(
    url("The broker's own address as browsers see it, for consent redirects; default: http:// and listen."),
  ),
  store: Type.Optional(
    text(
      'Where grants live: sqlite: and a path that counts from this file, or a postgres:// URL; default sqlite:.evertoken/evertoken.db.',
    ),
  ),
  data_folder: Type.Optional(
    file(
      'With PostgreSQL: the folder of this host for the spool and for keys, on a disk that outlives the process; default .evertoken beside this file.',
    ),
  ),
  encryption: Type.Optional(
    keys(
      {
        keys: Type.Array(
          keys({ id: text('Written beside what it encrypts.'), file: file('The key file, mode 0600.') }),
          {
            minItems: 1,
            description:
              'The first encrypts, all decrypt. Default: one key, k1, in master.key of the data folder.',
          },
        ),
      },
      'Encryption at rest.',
    ),
  ),
  tls: Type.Optional(
    keys(
      {
        cert: file('Certificate chain, PEM.'),
        key: file('Its private key, PEM, mode 0600.'),
      },
      'Files with which the broker itself speaks https.',
    ),
  ),
  behind_tls_proxy: Type.Optional(
    Type.Boolean({
      description:
        'Callers reach the broker only through a proxy that ends TLS; lets it listen beyond loopback; default false.',
    }),
  ),
  private_network: Type.Optional(
    Type.Boolean({
      description:
        'Providers may be in a network of your own: the same key of every client that does not say it itself, and of grants that are added by request; default false.',
    }),
  ),
  providers: Type.Optional(
    mapOf(
      writtenProfileSchema,
      'Profiles of your own by id, for provider and extends; found before those of the catalogue.',
      profileNames,
    ),
  ),
  clients: Type.Optional(
    Type.Unsafe<Record<string, ClientDescription>>({
      type: 'object',
      additionalProperties: client,
      description: 'Clients by a name of your choice.',
    }),
  ),
  grants: Type.Optional(
    Type.Unsafe<Record<string, GrantDescription & { client: string }>>({
      type: 'object',
      propertyNames: grantNames,
      additionalProperties: keys({ client: text('One of clients.'), ...grant }, 'A grant.'),
      description: 'Grants by id.',
    }),
  ),
})

export type ConfigurationFile = Static<typeof configurationSchema>
