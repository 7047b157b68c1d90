import { type Static, Type } from 'typebox'
import { clientAuthenticationMethods } from './client-authentication.ts'
import {
  answerSchema,
  errorsSchema,
  lifetimesSchema,
  parameters,
  renamed,
  requestsSchema,
} from './dialect-schema.ts'
import { flag, keys, list, mapOf, type Names, oneOf, seconds, text, urlTemplate } from './schema-types.ts'

const optional = Type.Optional

/** How profiles are called. */
export const profileNames: Names = {
  title: 'a profile',
  pattern: '^[a-z0-9][a-z0-9-]{0,63}$',
  description: 'lower-case letters, digits and dashes, up to 64',
}

/** How the variables of a profile are called: they stand between braces. */
export const variableNames: Names = {
  title: 'a variable',
  pattern: '^[a-z][a-z0-9_]{0,63}$',
  description: 'lower-case letters, digits and underscores, beginning with a letter, up to 64',
}

/** Where the provider is. */
export const addresses = {
  issuer: optional(
    urlTemplate(
      'Issuer to discover (RFC 8414, OpenID Connect Discovery); with token_url only compared, never asked.',
    ),
  ),
  token_url: optional(urlTemplate('Token endpoint.')),
  authorization_url: optional(urlTemplate('Authorization endpoint; only where a person consents.')),
  revocation_url: optional(urlTemplate('Revocation endpoint (RFC 7009); in place of what an issuer names.')),
  introspection_url: optional(
    urlTemplate('Introspection endpoint (RFC 7662); in place of what an issuer names.'),
  ),
  userinfo_url: optional(urlTemplate('UserInfo endpoint (OpenID Connect Core section 5.3).')),
  device_authorization_url: optional(
    urlTemplate(
      'Device authorization endpoint (RFC 8628), for evertoken login --device; in place of what an issuer names.',
    ),
  ),
  pushed_authorization_request_url: optional(
    urlTemplate(
      'Pushed authorization request endpoint (RFC 9126), used as pushed_authorization says; in place of what an issuer names.',
    ),
  ),
}

const variable = keys(
  {
    description: text('What it is and where a person finds it.'),
    default: optional(text('Used where nobody says otherwise.')),
    example: optional(text('What one looks like.')),
    pattern: optional(
      Type.String({
        format: 'regex',
        description: 'A regular expression for the whole value; default [A-Za-z0-9][A-Za-z0-9.-]*.',
      }),
    ),
    hosts: optional(
      list(
        Type.String({ minLength: 1 }),
        'Where it is part of a host: the hosts that may come of it, *.myshopify.com for one label or more before a suffix. Without them only those to which the template itself leaves no choice.',
      ),
    ),
    any_host: optional(
      flag('Everybody runs this provider at a host of their own: whoever fills it in says where secrets go.'),
    ),
    secret: optional(flag('It is never shown; default false.')),
  },
  'One thing that a profile cannot know by itself.',
)

const consent = keys(
  {
    parameters: optional(parameters('More parameters of the authorization request')),
    rename: optional(renamed('Names other than those of the RFC')),
    scope_separator: optional(Type.String({ description: 'Between scopes in requests; default a space.' })),
    offline_scope: optional(text('The scope without which no refresh token comes.')),
    pkce: optional(
      oneOf(
        ['S256', 'S256_hex', 'none'],
        'RFC 7636; default S256, none where the provider refuses the parameters. S256_hex: the digest as hexadecimal digits.',
      ),
    ),
    fragment: optional(text('After the # of the authorization request.')),
    metadata: optional(list(Type.String(), 'Parameters of the callback to keep and to hand out.')),
  },
  "What a person's consent needs besides.",
)

const assertion = keys(
  {
    algorithm: optional(oneOf(['HS256', 'RS256', 'ES256', 'EdDSA'], 'Of the key that signs.')),
    issuer: optional(text('`iss`; {client_id} and variables are filled in.')),
    subject: optional(text('`sub`; default: the issuer.')),
    audience: optional(text('`aud`; default: the token endpoint.')),
    lifetime: optional(seconds('Seconds from `iat` to `exp`; default 300.')),
    backdate: optional(seconds('Seconds by which `iat` lies in the past; default 0.')),
    claims: optional(parameters('More claims, or others in place of these')),
  },
  'What an assertion says here (JWT bearer, or one for request) where its user does not say otherwise.',
)

const clientAssertion = keys(
  {
    algorithm: optional(
      oneOf(['HS256', 'RS256', 'ES256', 'EdDSA'], "That of the client's key must be this one."),
    ),
    issuer: optional(text('`iss`, with {client_id} and variables filled in; default: the client id.')),
    subject: optional(text('`sub`; default: the client id.')),
    audience: optional(
      text(
        '`aud`, where the client does not say itself; default: the issuer where one is known, else the token endpoint.',
      ),
    ),
    lifetime: optional(seconds('Seconds from `iat` to `exp`; default 60.')),
    parameter: optional(
      text('What carries it; default client_assertion, with client_assertion_type beside it.'),
    ),
  },
  'How the JWT is made with which a client proves itself (private_key_jwt), where it is other than RFC 7523 has it.',
)

const registration = keys(
  {
    url: optional(text('Where.')),
    redirect_uris: optional(
      list(oneOf(['https', 'loopback', 'localhost', 'other']), 'What may be registered as redirect URI.'),
    ),
    steps: optional(list(Type.String(), 'What is to be done, in order, a sentence each.')),
    traps: optional(list(Type.String(), 'What surprises people later.')),
  },
  'How a person makes a client here.',
)

const facts = keys(
  {
    confidence: oneOf(['read', 'recalled'], 'read: in the sources named. recalled: not checked against any.'),
    recalled: optional(
      list(Type.String(), 'Keys of the profile that are only recalled, though the rest was read.'),
    ),
    sources: list(Type.String(), 'Where it was read.'),
    checked: Type.String({ format: 'date', description: 'When it was last checked, YYYY-MM-DD.' }),
    notes: optional(list(Type.String(), 'Where sources contradict each other or a fact has no key.')),
  },
  'Where all this comes from, and how sure it is.',
)

/** All of a profile but its name: what may stand inline in evertoken.yaml. */
const profileKeys = {
  ...addresses,
  variables: optional(
    mapOf(variable, 'What every user fills in: a tenant, a shop, a key of a subscription.', variableNames),
  ),
  client_authentication: optional(
    oneOf(clientAuthenticationMethods, 'How a client authenticates where it does not say itself.'),
  ),
  dpop: optional(
    flag('The provider wants tokens to be bound to a key of the client (DPoP, RFC 9449); default false.'),
  ),
  basic: optional(
    keys(
      {
        user: Type.String({ description: 'In place of the client id.' }),
        password: Type.String({ description: 'In place of the client secret; may be empty.' }),
      },
      'HTTP Basic other than id and secret; {client_id} and {client_secret} stand for these.',
    ),
  ),
  client_assertion: optional(clientAssertion),
  requests: optional(requestsSchema),
  answer: optional(answerSchema),
  errors: optional(errorsSchema),
  lifetimes: optional(lifetimesSchema),
  consent: optional(consent),
  assertion: optional(assertion),
  api: optional(
    keys(
      {
        header: optional(text('Its name; default Authorization.')),
        scheme: optional(Type.String({ description: 'What stands before the token; default Bearer.' })),
      },
      'How an API of this provider wants the access token.',
    ),
  ),
  registration: optional(registration),
  facts: optional(facts),
}

const id = Type.String({
  pattern: profileNames.pattern,
  examples: ['google'],
  description: 'Names it in `provider: google` and `extends: google`: lower-case letters, digits, dashes.',
})
const name = text('What people call it.')

/** A provider as data. The same as ProviderProfile of the library. */
export const profileSchema = keys({ id, name, ...profileKeys }, 'A provider as data.')

export type Profile = Static<typeof profileSchema>
