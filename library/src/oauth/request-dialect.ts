import type { ProviderDialect } from '../providers/dialect.ts'
import type { Operation, RequestDialect } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import type { ClientRegistration } from './client.ts'
import { fillTemplate } from './template.ts'
import type { WireRequest } from './transport.ts'

/** What a form is for. `push` (RFC 9126) carries the parameters of `authorize`, which are written already. */
export type FormOperation = Exclude<Operation, 'authorize'> | 'push'

/** A request as the RFC has it. */
export interface ComposedForm {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: URLSearchParams
  /** What templates may name beside what the form carries. */
  readonly values?: Readonly<Record<string, Secret>> | undefined
}

/** The parts of a request that a dialect decides. */
export type WrittenRequest = Pick<WireRequest, 'method' | 'url' | 'headers' | 'body'>

/** What a dialect says of one operation: what stands under `all`, and over it what stands under its name. */
export function rulesOf({ requests = {} }: ProviderDialect, operation: Operation): RequestDialect {
  const { all, [operation]: own } = requests
  if (all === undefined || own === undefined) return own ?? all ?? {}
  return {
    ...all,
    ...own,
    rename: { ...all.rename, ...own.rename },
    parameters: { ...all.parameters, ...own.parameters },
    headers: { ...all.headers, ...own.headers },
  }
}

/** Where an operation goes: to the dialect's own address for it, else to the endpoint. */
export const endpointOf = <Endpoint extends string | undefined>(
  { dialect }: Pick<ClientRegistration, 'dialect'>,
  operation: Operation,
  endpoint: Endpoint,
): string | Endpoint => (dialect === undefined ? endpoint : (rulesOf(dialect, operation).url ?? endpoint))

/** The address with what of the request stands in it, percent-encoded; undefined where that would change its path. */
export function filledEndpoint(
  endpoint: string,
  values: Readonly<Record<'token' | 'client_id', string>>,
): string | undefined {
  let moved = false
  const filled = endpoint.replaceAll(/\{(token|client_id)\}/g, (_, name: keyof typeof values) => {
    moved ||= /^\.*$/.test(values[name])
    return encodeURIComponent(values[name])
  })
  return moved ? undefined : filled
}

/** The client as it proves itself for an operation. */
export function provingItself(client: ClientRegistration, operation: FormOperation): ClientRegistration {
  const { dialect, authentication } = client
  if (dialect === undefined || operation !== 'revoke') return client
  const { client_authentication: method } = rulesOf(dialect, operation)
  if (method === undefined || method === authentication.method) return client
  if (method === 'none') return { ...client, authentication: { method } }
  if (!('secret' in authentication)) return client
  const { secret, secondSecret } = authentication
  return { ...client, authentication: { method, secret, secondSecret } }
}

/** Whether the dialect wants to hear at a refresh what the RFC lets a client leave out. */
export const isSent = (
  { dialect }: Pick<ClientRegistration, 'dialect'>,
  what: 'scope' | 'redirect_uri',
): boolean => dialect !== undefined && rulesOf(dialect, 'refresh').send?.includes(what) === true

/** The scope that a person is asked for: with the one without which no refresh token comes. */
export function consentScope(
  { dialect }: Pick<ClientRegistration, 'dialect'>,
  scope: readonly string[] = [],
): readonly string[] {
  const offline = dialect?.consent?.offline_scope
  return offline === undefined || scope.includes(offline) ? scope : [...scope, offline]
}

/**
 * A request of the RFC in the words of a provider. What its user wrote himself (`given`) stays as he wrote it. A parameter that names
 * something which this request does not have is left out.
 */
export function writeRequest(
  dialect: ProviderDialect,
  operation: FormOperation,
  client: Pick<ClientRegistration, 'clientId' | 'authentication'>,
  form: ComposedForm,
  given: Readonly<Record<string, string>> = {},
): WrittenRequest {
  const rules = operation === 'push' ? pushed(dialect) : rulesOf(dialect, operation)
  const { values = {} } = form
  const known = ownValues(dialect, client)
  const own = (name: string): string | undefined =>
    Object.hasOwn(values, name) ? values[name]?.reveal() : known(name)
  const composed: Record<string, string> = { ...form.headers }
  const isBasic = (rules.client_authentication ?? client.authentication.method) === 'client_secret_basic'
  if (dialect.basic !== undefined && isBasic) {
    const { user, password } = dialect.basic
    composed.authorization = `Basic ${base64(`${fillTemplate(user, own) ?? ''}:${fillTemplate(password, own) ?? ''}`)}`
  }
  const headers = withHeaders(composed, rules, (name) =>
    name === 'token' && operation === 'revoke' ? (form.body.get(name) ?? undefined) : own(name),
  )
  if (operation === 'push') return placed(form.url, headers, form.body, {})
  const standard = new URLSearchParams(form.body)
  const separator = dialect.consent?.scope_separator
  const scope = standard.get('scope')
  if (separator !== undefined && scope !== null) standard.set('scope', scope.replaceAll(' ', separator))
  const textOf = (name: string): string | undefined => own(name) ?? standard.get(name) ?? undefined
  const parameters = withParameters(standard, rules.parameters, given, textOf)
  return placed(form.url, headers, renamed(parameters, rules.rename), rules)
}

/** RFC 9126 is written as it stands; what every request needs may be a header. */
const pushed = ({ requests }: ProviderDialect): RequestDialect =>
  requests?.all?.headers === undefined ? {} : { headers: requests.all.headers }

/** The values of the profile's variables, and who the client is. */
const ownValues =
  (
    { variables }: ProviderDialect,
    { clientId, authentication }: Pick<ClientRegistration, 'clientId' | 'authentication'>,
  ) =>
  (name: string): string | undefined => {
    if (name === 'client_id') return clientId === '' ? undefined : clientId
    if (name === 'client_secret')
      return 'secret' in authentication ? authentication.secret.reveal() : undefined
    const value = Object.hasOwn(variables, name) ? variables[name] : undefined
    return value instanceof Secret ? value.reveal() : value
  }

/** The parameters with the dialect's in their place; `null` leaves one out. */
export function withParameters(
  standard: URLSearchParams,
  rules: RequestDialect['parameters'],
  given: Readonly<Record<string, string>>,
  textOf: (name: string) => string | undefined,
): URLSearchParams {
  const parameters = new URLSearchParams(standard)
  for (const [name, template] of Object.entries(rules ?? {})) {
    if (Object.hasOwn(given, name) && standard.get(name) === given[name]) continue
    const value = template === null ? undefined : fillTemplate(template, textOf)
    if (value === undefined) parameters.delete(name)
    else parameters.set(name, value)
  }
  return parameters
}

/** The parameters under the dialect's names. */
export function renamed(parameters: URLSearchParams, names: RequestDialect['rename']): URLSearchParams {
  if (names === undefined) return parameters
  return new URLSearchParams(
    Array.from(parameters, ([name, value]): [string, string] => [
      Object.hasOwn(names, name) ? (names[name] as string) : name,
      value,
    ]),
  )
}

/** RFC 6749 fixes the encoding; some servers compare this header as a whole and choke on a charset. */
const contentTypes = { form: 'application/x-www-form-urlencoded', json: 'application/json' } as const

const bodyOf = ({ method, body = 'form' }: RequestDialect): NonNullable<RequestDialect['body']> =>
  method === 'GET' ? 'query' : body

function withHeaders(
  headers: Readonly<Record<string, string>>,
  rules: RequestDialect,
  textOf: (name: string) => string | undefined,
): Record<string, string> {
  const { 'content-type': _, ...all } = headers as Record<string, string>
  const body = bodyOf(rules)
  if (body !== 'query') all['content-type'] = contentTypes[body]
  for (const [name, template] of Object.entries(rules.headers ?? {})) {
    const value = fillTemplate(template, textOf)
    if (value !== undefined) all[name.toLowerCase()] = value
  }
  return all
}

/** Puts the parameters where the dialect wants them. */
function placed(
  address: string,
  headers: Record<string, string>,
  parameters: URLSearchParams,
  rules: RequestDialect,
): WrittenRequest {
  const { method = 'POST' } = rules
  const body = bodyOf(rules)
  if (parameters.size === 0 && rules.body !== 'json') {
    // A token in the path or in a header may be all of it, and some refuse a body that says nothing. Who wants JSON gets an object.
    const { 'content-type': _, ...bare } = headers
    return { method, url: address, headers: bare }
  }
  if (body === 'query') return { method, url: withQuery(address, parameters), headers }
  return { method, url: address, headers, body: body === 'json' ? json(parameters) : parameters.toString() }
}

function withQuery(address: string, parameters: URLSearchParams): string {
  const url = new URL(address)
  for (const name of parameters.keys()) url.searchParams.delete(name)
  for (const [name, value] of parameters) url.searchParams.append(name, value)
  return url.href
}

/** One that comes several times (RFC 8707 `resource`) is a list. */
function json(parameters: URLSearchParams): string {
  const members = [...new Set(parameters.keys())].map((name): [string, unknown] => {
    const values = parameters.getAll(name)
    return [name, values.length === 1 ? values[0] : values]
  })
  return JSON.stringify(Object.fromEntries(members))
}

const base64 = (text: string): string => btoa(String.fromCharCode(...new TextEncoder().encode(text)))
