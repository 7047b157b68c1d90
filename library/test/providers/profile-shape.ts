// Which members a profile may have and what they hold, as library/src/providers/profile.ts has them: every other is a problem.

/** Says what is wrong with a value, by the path of each member; nothing where all is well. */
type Shape = (value: unknown, path: string) => string[]

const is =
  (what: string, test: (value: unknown) => boolean): Shape =>
  (value, path) =>
    test(value) ? [] : [`${path}: is not ${what}`]

const text = is('a text', (value) => typeof value === 'string' && value !== '')
const anyText = is('a text', (value) => typeof value === 'string')
const nullable = is('a text or null', (value) => value === null || typeof value === 'string')
const flag = is('true or false', (value) => typeof value === 'boolean')
const seconds = is('a number of seconds above 0', (value) => Number.isInteger(value) && Number(value) > 0)
const scalar = is('a text, number or truth value', (value) =>
  ['string', 'number', 'boolean'].includes(typeof value),
)
const status = is('an HTTP status', (value) => Number.isInteger(value) && Number(value) >= 200)

const oneOf = (...allowed: string[]): Shape =>
  is(`one of ${allowed.join(', ')}`, (value) => typeof value === 'string' && allowed.includes(value))

const listOf =
  (shape: Shape): Shape =>
  (value, path) =>
    Array.isArray(value) && value.length > 0
      ? value.flatMap((item, index) => shape(item, `${path}[${index}]`))
      : [`${path}: is not a list with something in it`]

const mapOf =
  (shape: Shape): Shape =>
  (value, path) =>
    isObject(value)
      ? Object.entries(value).flatMap(([key, member]) => shape(member, `${path}.${key}`))
      : [`${path}: is not a map`]

function objectOf(members: Record<string, Shape>, ...required: string[]): Shape {
  return (value, path) => {
    if (!isObject(value)) return [`${path}: is not an object`]
    if (Object.keys(value).length === 0) return [`${path}: is empty`]
    const missing = required.filter((name) => !(name in value)).map((name) => `${path}.${name}: is missing`)
    const found = Object.entries(value).flatMap(
      ([name, member]) => members[name]?.(member, `${path}.${name}`) ?? [`${path}.${name}: is not known`],
    )
    return [...missing, ...found]
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** RFC 6901: empty, or parts that each begin with `/`, in which `~` is only `~0` and `~1`. */
const pointerText = is(
  'a JSON pointer',
  (value) => typeof value === 'string' && /^(\/([^~/]|~[01])*)*$/.test(value),
)
const pointer: Shape = (value, path) =>
  Array.isArray(value) ? listOf(pointerText)(value, path) : pointerText(value, path)

const operations = [
  'all',
  'authorize',
  'exchange',
  'second_exchange',
  'login',
  'refresh',
  'client_credentials',
  'jwt_bearer',
  'token_exchange',
  'request',
  'device_authorization',
  'device_token',
  'revoke',
  'introspect',
]

const revokedRule = objectOf({ status, code: text, pointer: pointerText, equals: scalar })

const request = objectOf({
  url: text,
  method: oneOf('POST', 'GET', 'DELETE'),
  body: oneOf('form', 'json', 'query'),
  rename: mapOf(text),
  parameters: mapOf(nullable),
  headers: mapOf(text),
  send: listOf(oneOf('scope', 'redirect_uri')),
  client_authentication: oneOf('none', 'client_secret_basic', 'client_secret_post'),
  tokens: listOf(oneOf('access_token', 'refresh_token')),
  ends_login: flag,
  revoked: listOf(revokedRule),
})

const expiryFormat = oneOf('relative_s', 'relative_ms', 'epoch_s', 'epoch_ms', 'iso8601')
const answerTest = objectOf({ pointer: pointerText, equals: scalar }, 'pointer')

const answer = objectOf({
  root: pointer,
  access_token: pointer,
  refresh_token: pointer,
  token_type: pointer,
  scope: pointer,
  id_token: pointer,
  expiry: pointer,
  expiry_format: expiryFormat,
  refresh_token_expiry: pointer,
  refresh_token_expiry_format: expiryFormat,
  scope_separator: text,
  success: answerTest,
  failure: answerTest,
  error_code: pointer,
  error_description: pointer,
  refresh_extends: flag,
  secondary_tokens: mapOf(objectOf({ root: pointer }, 'root')),
  metadata: mapOf(pointer),
})

const errorRule = objectOf(
  {
    status,
    code: is('a code', (value) => typeof value === 'string' || Number.isInteger(value)),
    pointer: pointerText,
    equals: scalar,
    description: text,
    means: oneOf('dead', 'person', 'transient', 'ambiguous', 'configuration', 'rate_limited'),
    retry_after: seconds,
  },
  'means',
)

const lifetimes = objectOf({
  rotation: oneOf('always', 'sometimes', 'never'),
  replay_class: oneOf('strict', 'idempotent', 'last_child_wins', 'fork', 'non_rotating'),
  reuse_window: seconds,
  quiescence: seconds,
  old_token_dies: flag,
  introspection: flag,
  assumed_lifetime: seconds,
  never_expires: flag,
  refresh_before: seconds,
  minimum_age: seconds,
  refresh_token_lifetime: seconds,
  refresh_token_idle: seconds,
  refresh_rate: is('a number above 0', (value) => typeof value === 'number' && value > 0),
  login_limit: objectOf({ count: seconds, per: text }, 'count', 'per'),
})

const profile = objectOf(
  {
    id: is('an id', (value) => typeof value === 'string' && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(value)),
    name: text,
    issuer: text,
    token_url: text,
    authorization_url: text,
    revocation_url: text,
    introspection_url: text,
    userinfo_url: text,
    device_authorization_url: text,
    pushed_authorization_request_url: text,
    variables: mapOf(
      objectOf(
        {
          description: text,
          default: text,
          example: text,
          pattern: text,
          hosts: listOf(text),
          secret: flag,
        },
        'description',
      ),
    ),
    client_authentication: oneOf(
      'none',
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
    ),
    dpop: flag,
    basic: objectOf({ user: anyText, password: anyText }, 'user', 'password'),
    client_assertion: objectOf({
      algorithm: oneOf('HS256', 'RS256', 'ES256', 'EdDSA'),
      issuer: text,
      subject: text,
      audience: text,
      lifetime: seconds,
      parameter: text,
    }),
    requests: objectOf(Object.fromEntries(operations.map((name) => [name, request]))),
    answer,
    errors: listOf(errorRule),
    lifetimes,
    consent: objectOf({
      parameters: mapOf(nullable),
      rename: mapOf(text),
      scope_separator: text,
      offline_scope: text,
      pkce: oneOf('S256', 'S256_hex', 'none'),
      fragment: text,
      metadata: listOf(text),
    }),
    assertion: objectOf({
      algorithm: oneOf('HS256', 'RS256', 'ES256', 'EdDSA'),
      issuer: text,
      subject: text,
      audience: text,
      lifetime: seconds,
      backdate: seconds,
      claims: mapOf(nullable),
    }),
    api: objectOf({ header: text, scheme: anyText }),
    registration: objectOf({
      url: text,
      redirect_uris: listOf(oneOf('https', 'loopback', 'localhost', 'other')),
      steps: listOf(text),
      traps: listOf(text),
    }),
    facts: objectOf(
      {
        confidence: oneOf('read', 'recalled'),
        recalled: listOf(text),
        sources: (value, path) =>
          Array.isArray(value) && value.length === 0 ? [] : listOf(text)(value, path),
        checked: is('a date', (value) => typeof value === 'string' && /^\d{4}-\d\d-\d\d$/.test(value)),
        notes: listOf(text),
      },
      'confidence',
      'sources',
      'checked',
    ),
  },
  'id',
  'name',
  'facts',
)

/** Each member that no profile has, lacks what it must have, or holds what it may not; by its path. */
export const shapeProblems = (value: unknown): string[] => profile(value, '')
