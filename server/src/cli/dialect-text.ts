import type { AnswerDialect, ErrorRule, ProviderProfile, RequestDialect } from 'evertoken'

/** The oddities of a provider in words. */

const bodies = { form: 'as a form', json: 'as JSON', query: 'in the query' } as const

export function requestText([operation, request]: [string, RequestDialect]): string[] {
  const words = [
    ...(request.url !== undefined ? [`to ${request.url}`] : []),
    ...(request.method === undefined || request.method === 'POST' ? [] : [`by ${request.method}`]),
    ...(request.body !== undefined ? [bodies[request.body]] : []),
    ...parameterWords(request.parameters),
    ...renameWords(request.rename),
    ...Object.entries(request.headers ?? {}).map(([name, value]) => `with the header ${name}: ${value}`),
    ...(request.send !== undefined ? [`also sends ${request.send.join(' and ')}`] : []),
    ...revocationWords(request),
  ]
  if (words.length === 0) return []
  return [`${operation === 'all' ? 'all' : operation}: ${words.join(', ')}`]
}

function revocationWords({
  client_authentication: method,
  tokens,
  ends_login: ends,
  revoked,
}: RequestDialect): string[] {
  const rules = revoked?.map(({ status, code, pointer, equals }) =>
    [
      status === undefined ? [] : [`status ${status}`],
      code === undefined ? [] : [`the error ${code}`],
      pointer === undefined ? [] : [`${pointer} ${equals === undefined ? 'there' : `is ${equals}`}`],
    ]
      .flat()
      .join(' and '),
  )
  return [
    ...(method === undefined ? [] : [`the client proves itself by ${method}`]),
    ...(tokens === undefined
      ? []
      : [`only for ${tokens.map((kind) => kind.replace('_', ' ')).join(' and ')}s`]),
    ...(ends === true ? ['an access token takes its login along'] : []),
    ...(rules === undefined ? [] : [`done is ${rules.join(', or ')}`]),
  ]
}

const parameterWords = (parameters: RequestDialect['parameters'] = {}): string[] =>
  Object.entries(parameters).map(([name, value]) =>
    value === null ? `without ${name}` : `with ${name}=${value}`,
  )

const renameWords = (rename: RequestDialect['rename'] = {}): string[] =>
  Object.entries(rename).map(([standard, theirs]) => `${standard} is called ${theirs}`)

const pointerText = (pointer: string | readonly string[]): string =>
  typeof pointer === 'string' ? pointer || 'the whole answer' : pointer.map(pointerText).join(', else ')

const pointers = {
  root: 'everything lies in',
  access_token: 'access token at',
  refresh_token: 'refresh token at',
  token_type: 'token type at',
  scope: 'scope at',
  id_token: 'ID token at',
  expiry: 'expiry at',
  refresh_token_expiry: 'expiry of the refresh token at',
  error_code: 'error code at',
  error_description: 'what it says of the error at',
} as const satisfies Partial<Record<keyof AnswerDialect, string>>

const formats = {
  relative_s: 'seconds from now',
  relative_ms: 'milliseconds from now',
  epoch_s: 'seconds since 1970',
  epoch_ms: 'milliseconds since 1970',
  iso8601: 'ISO 8601',
} as const

export function answerText(answer: AnswerDialect): string[] {
  const { success, failure, expiry_format: format, refresh_token_expiry_format: refreshFormat } = answer
  const places = Object.entries(pointers).flatMap(([key, words]) => {
    const pointer = answer[key as keyof typeof pointers]
    return pointer === undefined ? [] : [`${words} ${pointerText(pointer)}`]
  })
  return [
    ...places,
    ...(format === undefined ? [] : [`expiry in ${formats[format]}`]),
    ...(refreshFormat === undefined ? [] : [`expiry of the refresh token in ${formats[refreshFormat]}`]),
    ...(answer.scope_separator === undefined
      ? []
      : [`scopes stand apart by ${JSON.stringify(answer.scope_separator)}`]),
    ...(success === undefined ? [] : [`an error unless ${testText(success)}, whatever the status`]),
    ...(failure === undefined ? [] : [`an error where ${testText(failure)}, whatever the status`]),
    ...(answer.refresh_extends ? ['a refresh without tokens gives the present one its life anew'] : []),
    ...Object.entries(answer.secondary_tokens ?? {}).map(
      ([name, { root }]) => `another token, ${name}, in ${pointerText(root)}`,
    ),
    ...Object.entries(answer.metadata ?? {}).map(
      ([name, pointer]) => `hands out ${name} from ${pointerText(pointer)}`,
    ),
  ]
}

const testText = ({ pointer, equals }: { pointer: string; equals?: string | number | boolean }): string =>
  equals === undefined ? `${pointer} is there` : `${pointer} is ${JSON.stringify(equals)}`

const meanings = {
  dead: 'the login has ended, believed after confirmation',
  person: 'only a person can go on',
  transient: 'nothing was spent; again after a pause',
  ambiguous: 'the refresh token may be spent',
  configuration: 'somebody has to change something; the login is untouched',
  rate_limited: 'too many requests; again later',
} as const satisfies Record<ErrorRule['means'], string>

export function errorText(rule: ErrorRule): string {
  const { status, code, pointer, description } = rule
  const signs = [
    ...(status === undefined ? [] : [`status ${status}`]),
    ...(code === undefined ? [] : [`code ${code}`]),
    ...(pointer === undefined
      ? []
      : [testText({ pointer, ...(rule.equals !== undefined && { equals: rule.equals }) })]),
    ...(description === undefined ? [] : [`description with ${JSON.stringify(description)}`]),
  ]
  const pause = rule.retry_after === undefined ? '' : `, after ${rule.retry_after} s`
  return `${signs.join(' and ')}: ${meanings[rule.means]}${pause}`
}

export function consentText(consent: NonNullable<ProviderProfile['consent']>): string[] {
  const { scope_separator: separator, offline_scope: offline, pkce, fragment, metadata } = consent
  return [
    ...parameterWords(consent.parameters),
    ...renameWords(consent.rename),
    ...(separator === undefined ? [] : [`scopes stand apart by ${JSON.stringify(separator)}`]),
    ...(offline === undefined ? [] : [`no refresh token comes without the scope ${offline}`]),
    ...(pkce === 'none' ? ['without PKCE'] : []),
    ...(pkce === 'S256_hex' ? ['the PKCE challenge as hexadecimal digits'] : []),
    ...(fragment === undefined ? [] : [`with #${fragment}`]),
    ...(metadata === undefined ? [] : [`hands out ${metadata.join(', ')} of the callback`]),
  ]
}

/** What a JWT says, behind the words for what it is. */
export function assertionText(
  assertion: NonNullable<ProviderProfile['assertion'] & ProviderProfile['client_assertion']>,
): string {
  const { algorithm, issuer, subject, audience, lifetime, backdate, claims, parameter } = assertion
  const words = [
    ...(algorithm === undefined ? [] : [`by ${algorithm}`]),
    ...(issuer === undefined ? [] : [`iss ${issuer}`]),
    ...(subject === undefined ? [] : [`sub ${subject}`]),
    ...(audience === undefined ? [] : [`aud ${audience}`]),
    ...parameterWords(claims),
    ...(lifetime === undefined ? [] : [`for ${lifetime} s`]),
    ...(backdate === undefined ? [] : [`dated back ${backdate} s`]),
    ...(parameter === undefined ? [] : [`sent as ${parameter}`]),
  ]
  return words.length === 0 ? '' : `, ${words.join(', ')}`
}

export const apiText = ({
  header = 'Authorization',
  scheme = 'Bearer',
}: {
  header?: string | undefined
  scheme?: string | undefined
}) => `wants the token as ${header}: ${scheme === '' ? '' : `${scheme} `}TOKEN`
