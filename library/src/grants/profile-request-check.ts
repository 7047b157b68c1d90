import { unkeptParameters } from '../oauth/callback-members.ts'
import { rulesOf } from '../oauth/request-dialect.ts'
import { hasStrayBraces, namesIn } from '../oauth/template.ts'
import type { Operation, ProviderProfile, RequestDialect } from '../providers/profile.ts'
import { invalid } from './option-check.ts'

/** Parameters of the RFCs, which a template of a parameter may name. Who asks is among them. */
export const standardParameters: ReadonlySet<string> = new Set(
  (
    'client_id client_secret grant_type scope resource audience redirect_uri response_type state code code_verifier ' +
    'code_challenge code_challenge_method refresh_token device_code assertion client_assertion client_assertion_type ' +
    'token token_type_hint username password'
  ).split(' '),
)

/** A page in a browser is asked with them. */
const secretParameters = ['client_secret', 'code_verifier', 'client_assertion', 'refresh_token', 'password']
/** Without the one a stranger's answer is taken for ours; the others are made for each request. */
const ours = ['state', 'code_challenge', 'code_challenge_method']
const headerName = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
/** What makes one request of a stream of bytes. */
const framing = /^(host|connection|content-length|transfer-encoding|upgrade|te|trailer|expect|keep-alive)$/i

/** What only a request knows and an address of `revoke` may hold. */
export const addressNames = ['token', 'client_id'] as const

export const isAddressName = (name: string): boolean => addressNames.some((one) => one === name)

/** Throws `invalid_configuration` where what a request brings would choose the host of an address. */
export function checkBehindHost(path: string, name: string, template: string): void {
  const host = /^(?:[^:/?#]*:\/\/)?[^/?#]*/.exec(template)?.[0] ?? ''
  if (host.includes(`{${name}}`)) throw invalid(`${path}: {${name}} may stand behind the host alone`)
}

/** Whether the HTTP Basic of a profile can be written. Throws `invalid_configuration`. */
export function checkBasic({ basic, variables = {}, client_authentication: method }: ProviderProfile): void {
  if (basic === undefined) return
  for (const [part, template] of Object.entries(basic))
    for (const name of namesIn(template))
      if (name !== 'client_id' && name !== 'client_secret' && !Object.hasOwn(variables, name))
        throw invalid(`basic.${part}: names {${name}}, which is no variable and not of the client`)
  if ((method ?? 'client_secret_basic') !== 'client_secret_basic')
    throw invalid(`basic: has no effect with client_authentication ${method}`)
}

/** Whether every request of a profile can be written. Throws `invalid_configuration`. */
export function checkRequests(profile: ProviderProfile): void {
  const { requests = {} } = profile
  for (const operation of Object.keys(requests) as (Operation | 'all')[]) {
    const path = `requests.${operation}`
    const own = requests[operation] ?? {}
    if (operation === 'all' && own.url !== undefined)
      throw invalid(`${path}.url: would send every request to one address`, 'Put it under the operation.')
    if (own.send !== undefined && operation !== 'refresh')
      throw invalid(`${path}.send: has an effect under refresh alone`)
    if (operation === 'authorize')
      for (const key of ['method', 'body', 'headers'] as const)
        if (own[key] !== undefined) throw invalid(`${path}.${key}: has no effect on a page in a browser`)
    checkRevoking(operation, path, own)
    checkHeaders(profile, `${path}.headers`, own.headers ?? {}, carried(operation))
    // Over what stands under `all`, which has been checked by itself.
    const rules = operation === 'all' ? own : rulesOf({ ...profile, variables: {} }, operation)
    if (rules.method === 'GET' && rules.body === 'json')
      throw invalid(
        `${path}.body: a GET has no JSON body`,
        'Leave body out: the parameters go into the query.',
      )
    if (operation === 'login' && (rules.method === 'GET' || rules.body === 'query'))
      throw invalid(
        `${path}.${rules.method === 'GET' ? 'method' : 'body'}: would put a password into an address`,
        'Addresses are written into logs: send a form or JSON.',
      )
    if (operation === 'second_exchange') checkSecondExchange(path, rules)
    if (operation === 'authorize') checkPage(profile, path, rules)
    else checkParameters(profile, `${path}.parameters`, rules.parameters, carried(operation))
    checkRename(path, rules)
  }
}

/** What templates of an operation may name beside variables and standard parameters; in a header too. */
const carriedBy: Partial<Record<Operation | 'all', readonly string[]>> = {
  request: ['assertion'],
  second_exchange: ['access_token'],
  revoke: ['token', 'client_id', 'client_secret'],
}
const carried = (operation: Operation | 'all'): readonly string[] => carriedBy[operation] ?? []

function checkSecondExchange(path: string, { headers = {}, parameters = {} }: RequestDialect): void {
  const templates = [...Object.values(headers), ...Object.values(parameters)]
  if (!templates.some((template) => namesIn(template ?? '').includes('access_token')))
    throw invalid(
      `${path}: never says {access_token}, which it is to exchange`,
      'Put it into a parameter or a header.',
    )
}

const ofRevocation = ['client_authentication', 'tokens', 'ends_login', 'revoked'] as const

/** Only the end of a login is said in so many ways. */
function checkRevoking(operation: string, path: string, own: RequestDialect): void {
  if (operation !== 'revoke') {
    const key = ofRevocation.find((one) => own[one] !== undefined)
    if (key !== undefined) throw invalid(`${path}.${key}: has an effect under revoke alone`)
    if (own.method === 'DELETE') throw invalid(`${path}.method: DELETE has an effect under revoke alone`)
    return
  }
  if (own.tokens?.length === 0) throw invalid(`${path}.tokens: names no kind of token`)
  if (own.ends_login === true && own.tokens?.includes('access_token') === false)
    throw invalid(`${path}.ends_login: says something of access tokens, and tokens leaves them out`)
  for (const [at, { status, code, pointer, equals }] of (own.revoked ?? []).entries()) {
    const place = `${path}.revoked.${at}`
    if (status === undefined && code === undefined && pointer === undefined)
      throw invalid(`${place}: has no condition`, 'Give status, code or pointer.')
    if (equals !== undefined && pointer === undefined)
      throw invalid(`${place}.equals: has no effect without pointer`)
    if (status !== undefined && (!Number.isInteger(status) || status < 100 || status > 599))
      throw invalid(`${place}.status: is no HTTP status`)
  }
  if (own.revoked?.length === 0) throw invalid(`${path}.revoked: says of no answer that it is a success`)
}

/** Whether the consent of a profile can be asked for. Throws `invalid_configuration`. */
export function checkConsent(profile: ProviderProfile): void {
  const { consent } = profile
  if (consent === undefined) return
  checkPage(profile, 'consent', consent)
  checkRename('consent', consent)
  if (consent.scope_separator === '') throw invalid('consent.scope_separator: is empty')
  if (consent.offline_scope !== undefined && !/^\S+$/.test(consent.offline_scope))
    throw invalid('consent.offline_scope: is not one scope')
  checkNames(profile, 'consent.fragment', consent.fragment ?? '')
  const secret = consent.metadata?.find((name) => unkeptParameters.has(name))
  if (secret !== undefined)
    throw invalid(`consent.metadata: ${secret} is not kept`, 'Name what an API needs: a realm, a region.')
}

type Parameters = Pick<RequestDialect, 'parameters' | 'rename'>

/** Its parameters stand in the address bar of a browser. */
function checkPage(profile: ProviderProfile, path: string, rules: Parameters): void {
  const { variables = {} } = profile
  checkParameters(profile, `${path}.parameters`, rules.parameters)
  for (const [name, template] of Object.entries(rules.parameters ?? {})) {
    if (ours.includes(name))
      throw invalid(
        `${path}.parameters.${name}: cannot be changed or left out`,
        'consent.pkce: none omits PKCE.',
      )
    const secret = namesIn(template ?? '').find(
      (one) => secretParameters.includes(one) || variables[one]?.secret === true,
    )
    if (secret !== undefined)
      throw invalid(`${path}.parameters.${name}: would show {${secret}} in the address of a page`)
  }
  for (const [name, target] of Object.entries(rules.rename ?? {}))
    if (name === 'state' || target === 'state')
      throw invalid(`${path}.rename.${name}: state cannot have another name, nor another its name`)
}

function checkParameters(
  { variables = {} }: ProviderProfile,
  path: string,
  parameters: RequestDialect['parameters'] = {},
  more: readonly string[] = [],
): void {
  for (const [name, template] of Object.entries(parameters)) {
    if (name === '') throw invalid(`${path}: has a parameter without a name`)
    const unknown = namesIn(template ?? '').find(
      (one) => !standardParameters.has(one) && !Object.hasOwn(variables, one) && !more.includes(one),
    )
    if (unknown !== undefined)
      throw invalid(`${path}.${name}: names {${unknown}}, which is no variable and no standard parameter`)
  }
}

function checkRename(path: string, { rename = {}, parameters = {} }: Parameters): void {
  const targets = new Map<string, string>()
  for (const [name, target] of Object.entries(rename)) {
    if (target === '') throw invalid(`${path}.rename.${name}: is empty`)
    const other = targets.get(target)
    if (other !== undefined) throw invalid(`${path}.rename.${name}: ${other} has the name ${target} as well`)
    const set = parameters[target]
    if (set !== undefined && set !== null && !Object.hasOwn(rename, target))
      throw invalid(`${path}.rename.${name}: the parameter ${target} is there already`)
    targets.set(target, name)
  }
}

function checkHeaders(
  profile: ProviderProfile,
  path: string,
  headers: Readonly<Record<string, string>>,
  more: readonly string[],
): void {
  for (const [name, template] of Object.entries(headers)) {
    if (!headerName.test(name)) throw invalid(`${path}: ${JSON.stringify(name)} is no name of a header`)
    if (framing.test(name)) throw invalid(`${path}.${name}: is set by the connection`)
    if (!/^[\x20-\x7e]*$/.test(template)) throw invalid(`${path}.${name}: is not printable ASCII`)
    checkNames(profile, `${path}.${name}`, template, more)
  }
}

function checkNames(
  { variables = {} }: ProviderProfile,
  path: string,
  template: string,
  more: readonly string[] = [],
): void {
  if (hasStrayBraces(template)) throw invalid(`${path}: has braces that hold no name of a variable`)
  const unknown = namesIn(template).find((name) => !Object.hasOwn(variables, name) && !more.includes(name))
  if (unknown !== undefined)
    throw invalid(`${path}: names {${unknown}}, and variables has no such key`, `Add variables.${unknown}.`)
}
