import type { ErrorMeaning, ExpiryFormat, Operation } from 'evertoken'
import { type TProperties, Type } from 'typebox'
import {
  flag,
  keys,
  list,
  mapOf,
  named,
  oneOf,
  quietSeconds,
  seconds,
  text,
  urlTemplate,
} from './schema-types.ts'

/** The keys of a profile that say how its provider speaks: requests, answers, errors. */

const optional = Type.Optional

/** Null has a meaning here, so it removes nothing from a profile that is extended. */
export const parameters = (description: string) =>
  mapOf(Type.Union([Type.String(), Type.Null()]), `${description}; null leaves one out.`)

export const renamed = (description: string) => named(`${description}: { client_id: client_key }.`)

/** A login is ended in more ways than it is kept. */
const revocation = {
  client_authentication: optional(
    oneOf(
      ['none', 'client_secret_basic', 'client_secret_post'],
      'How a client with a secret proves itself here, where that is otherwise than at the token endpoint.',
    ),
  ),
  tokens: optional(
    list(oneOf(['access_token', 'refresh_token']), 'The kinds of token that can be revoked; default both.'),
  ),
  ends_login: optional(flag('An access token takes the refresh token of its login along.')),
  revoked: optional(
    list(
      keys(
        {
          status: optional(Type.Integer({ minimum: 100, maximum: 599, description: 'HTTP status.' })),
          code: optional(text('The error code, for an answer that says that the token was dead already.')),
          pointer: optional(
            Type.String({
              format: 'json-pointer',
              description: 'Something of the answer: a JSON pointer (RFC 6901) from the top.',
            }),
          ),
          equals: optional(
            Type.Union([Type.String(), Type.Number(), Type.Boolean()], {
              description: 'What pointer leads to; without it, that something is there.',
            }),
          ),
        },
        'Matches where everything it names does.',
      ),
      'What says that the token is worth nothing now, and nothing else does; default any 2xx that names no error.',
    ),
  ),
}

const request = (which: string, more: TProperties = {}) =>
  optional(
    keys(
      {
        url: optional(urlTemplate('In place of the endpoint.')),
        method: optional(
          oneOf(
            ['POST', 'GET', 'DELETE'],
            'Default POST; with GET all parameters go into the query; DELETE for revoke alone.',
          ),
        ),
        body: optional(oneOf(['form', 'json', 'query'], 'Where the parameters go; default form.')),
        rename: optional(renamed('Names other than those of the RFC, applied after parameters')),
        parameters: optional(parameters('More parameters, or others in place of the standard ones')),
        headers: optional(named('More headers; {name} stands for a variable.')),
        send: optional(
          list(
            oneOf(['scope', 'redirect_uri']),
            'What the RFC lets a client leave out and this provider wants to hear.',
          ),
        ),
        ...more,
      },
      which,
    ),
  )

const operations = {
  all: request('Every request; what stands under one of the others goes over it.'),
  authorize: request('The authorization request, which a browser carries.'),
  exchange: request('The authorization code for tokens.'),
  second_exchange: request(
    'The token of a consent, {access_token}, for one that lasts; sent after it, and what it answers is kept.',
  ),
  login: request("A person's user name and password for tokens (RFC 6749 section 4.3)."),
  refresh: request('The refresh token for new tokens.'),
  client_credentials: request('A token for the client itself.'),
  jwt_bearer: request('A signed assertion for a token (RFC 7523).'),
  token_exchange: request('A token for another token (RFC 8693).'),
  request: request("A token by a request of the provider's own; {assertion} is a JWT that is signed for it."),
  device_authorization: request('The codes of a login on another device (RFC 8628).'),
  device_token: request('Whether that login has happened.'),
  revoke: request('The end of a login (RFC 7009).', revocation),
  introspect: request('Whether a token lives (RFC 7662).'),
} satisfies Record<Operation | 'all', unknown>

export const requestsSchema = keys(operations, 'How each request differs from that of the RFC.')

/** A JSON pointer, or several of which the first that leads to something counts. */
const pointer = (description: string) =>
  Type.Union([path(), Type.Array(path(), { minItems: 1 })], {
    description: `${description}: a JSON pointer (RFC 6901), or a list of which the first that leads to something counts.`,
  })

const path = (description?: string) =>
  Type.String({ format: 'json-pointer', ...(description && { description }) })

const value = (description: string) =>
  Type.Union([Type.String(), Type.Number(), Type.Boolean()], { description })

const test = (description: string) =>
  keys(
    {
      pointer: path('JSON pointer (RFC 6901), from the top of the answer.'),
      equals: optional(value('Compared as it is; without it, that something is there.')),
    },
    description,
  )

const expiryFormat = (description: string) =>
  oneOf<ExpiryFormat>(['relative_s', 'relative_ms', 'epoch_s', 'epoch_ms', 'iso8601'], description)

export const answerSchema = keys(
  {
    root: optional(pointer('Where the other pointers begin, but for those of errors and tests')),
    access_token: optional(pointer('The access token')),
    refresh_token: optional(pointer('What renews it; may be the access token itself')),
    token_type: optional(pointer('The token type')),
    scope: optional(pointer('The granted scope')),
    id_token: optional(pointer('The ID token')),
    expiry: optional(pointer('When the access token expires, written as expiry_format says')),
    expiry_format: optional(expiryFormat('Default relative_s; iso8601 without a zone is UTC.')),
    refresh_token_expiry: optional(pointer('When the refresh token expires')),
    refresh_token_expiry_format: optional(expiryFormat('Default: that of the access token.')),
    scope_separator: optional(text('Between scopes; default white space.')),
    success: optional(test('An answer in which this is not so is an error, whatever its status.')),
    failure: optional(test('An answer in which this is so is an error, whatever its status.')),
    refresh_extends: optional(
      flag(
        'A refresh that succeeds and brings no access token has given the present one its life anew; wants success.',
      ),
    ),
    error_code: optional(pointer("The provider's own error code; default error and what gateways write")),
    error_description: optional(pointer('What it says of the error')),
    secondary_tokens: optional(
      mapOf(
        keys({ root: pointer('Where it lies') }),
        'More tokens of the same answer, each read like the first from a root of its own and kept as a grant of its own: work.user beside work.',
      ),
    ),
    metadata: optional(
      mapOf(
        pointer('A member of the answer'),
        'Members of the answer to keep and to hand out, by the name under which readers get them.',
      ),
    ),
  },
  'How an answer of the token endpoint is read.',
)

export const errorsSchema = list(
  keys(
    {
      status: optional(Type.Integer({ minimum: 100, maximum: 599, description: 'HTTP status.' })),
      code: optional(
        Type.Union([Type.String(), Type.Number()], { description: 'The error code as error_code finds it.' }),
      ),
      pointer: optional(path('Something of the answer: a JSON pointer (RFC 6901) from the top.')),
      equals: optional(value('What pointer leads to; without it, that something is there.')),
      description: optional(text('A part of the description, in any case.')),
      means: oneOf<ErrorMeaning>(
        ['dead', 'person', 'transient', 'ambiguous', 'configuration', 'rate_limited'],
        'dead: the login has ended. person: only a person can go on. transient: nothing was spent, again after a pause. ambiguous: the refresh token may be spent. configuration: somebody has to change something. rate_limited: again later.',
      ),
      retry_after: optional(seconds('Seconds until the next try, where the answer itself does not say.')),
    },
    'Matches where everything it names does.',
  ),
  'What refusals mean. The first that matches decides; after them RFC 6749 section 5.2.',
)

/** How the provider treats the tokens of a login: what a client may say, as a default for it. */
export const lifetimesSchema = keys(
  {
    rotation: optional(
      oneOf(['always', 'sometimes', 'never'], 'Whether a refresh brings another refresh token.'),
    ),
    replay_class: optional(
      oneOf(
        ['strict', 'idempotent', 'last_child_wins', 'fork', 'non_rotating'],
        'What the provider does when a used refresh token comes again.',
      ),
    ),
    reuse_window: optional(seconds('Seconds in which a used refresh token may come again.')),
    quiescence: optional(
      quietSeconds('Seconds for which a request without an answer may still be carried out; at least 15.'),
    ),
    old_token_dies: optional(flag('A refresh kills the access token before at once.')),
    introspection: optional(flag('Introspection of a refresh token changes nothing.')),
    assumed_lifetime: optional(seconds('Seconds an access token lives where the answer does not say.')),
    never_expires: optional(
      flag('Access tokens live until somebody ends them, where the answer does not say otherwise.'),
    ),
    refresh_before: optional(seconds('Seconds before expiry at which a token is refreshed.')),
    minimum_age: optional(seconds('A refresh sooner after the one before is refused.')),
    refresh_token_lifetime: optional(seconds('Seconds after the login at which refresh tokens die.')),
    refresh_token_idle: optional(seconds('Seconds without use after which a refresh token dies.')),
    refresh_rate: optional(
      Type.Number({ minimum: 0, maximum: 10 ** 6, description: 'The most token requests a second.' }),
    ),
    login_limit: optional(
      keys(
        {
          count: Type.Integer({
            minimum: 1,
            maximum: 10 ** 9,
            description: 'How many logins live at a time.',
          }),
          per: text('Of what: user and client, user, client.'),
        },
        'More logins than that, and the oldest dies.',
      ),
    ),
  },
  'How the provider treats the tokens of a login. What a client of it says stands over this.',
)
