import type { ProviderDialect } from '../providers/dialect.ts'
import type { AnswerDialect } from '../providers/profile.ts'
import { readCodedRefusal } from './coded-refusal.ts'
import { type ProviderWords, readDescription, readErrorCode, readErrorMember } from './error-response.ts'
import { holds } from './error-rules.ts'
import { readExpiry } from './expiry.ts'
import { isJsonObject, type JsonObject, member } from './json-object.ts'
import { firstAt } from './json-pointer.ts'
import { pointerText } from './pointer-text.ts'
import { printable, withoutSecrets } from './printable.ts'

/** What of a provider's dialect answers are read with. */
export type AnswerReading = Pick<ProviderDialect, 'id' | 'answer' | 'errors'>

/** By whom it is written so: many, Intuit, Keycloak. No standard names it. */
export const refreshLifetimes = [
  'refresh_token_expires_in',
  'x_refresh_token_expires_in',
  'refresh_expires_in',
] as const

/**
 * The tokens of an answer under the names of RFC 6749 section 5.1, and all times of expiry in seconds from now on. What a
 * pointer is given for is taken from there and from nowhere else.
 *
 * @param document the answer as a whole.
 * @param clocks as in {@link readExpiry}.
 */
export function normalised(document: unknown, dialect: AnswerDialect, clocks: readonly number[]): JsonObject {
  const root = rootOf(document, dialect)
  const plain = isJsonObject(root) ? root : {}
  const body: Record<string, unknown> = { ...plain }
  for (const name of ['access_token', 'refresh_token', 'token_type', 'id_token', 'scope'] as const) {
    const pointer = dialect[name]
    if (pointer !== undefined) body[name] = firstAt(root, pointer)
  }
  const { scope_separator: separator, expiry, expiry_format: format } = dialect
  if (separator !== undefined) body.scope = partsOf(body.scope, separator)
  if (expiry !== undefined || format !== undefined) {
    const value = expiry === undefined ? member(plain, 'expires_in') : firstAt(root, expiry)
    body.expires_in = readExpiry(value, format ?? 'relative_s', clocks)
  }
  const { refresh_token_expiry: refreshExpiry, refresh_token_expiry_format: refreshFormat } = dialect
  if (refreshExpiry !== undefined || refreshFormat !== undefined) {
    const pointer = refreshExpiry ?? refreshLifetimes.map((name) => `/${name}`)
    const written = refreshFormat ?? format ?? 'relative_s'
    for (const name of refreshLifetimes) body[name] = undefined
    body[refreshLifetimes[0]] = readExpiry(firstAt(root, pointer), written, clocks)
  }
  return body
}

/**
 * Where the tokens of an answer lie; `undefined` where the pointer leads nowhere. Of several places the first that has an access
 * token: what else may stand there is no reason to look no further.
 */
export function rootOf(document: unknown, { root, access_token: token }: AnswerDialect): unknown {
  if (root === undefined) return document
  if (typeof root === 'string') return firstAt(document, root)
  const withToken = root.find(
    (one) => firstAt(firstAt(document, one), token ?? '/access_token') !== undefined,
  )
  return firstAt(document, withToken ?? root)
}

/** Whether an answer without an access token says that the one there is has got its life anew. */
export const extendsPresent = (
  document: unknown,
  { refresh_extends: renewed, success }: AnswerDialect,
  status: number,
): boolean =>
  renewed === true && success !== undefined && status >= 200 && status < 300 && holds(document, success)

function partsOf(scope: unknown, separator: string): readonly string[] {
  return (Array.isArray(scope) ? scope : [scope])
    .filter((part) => typeof part === 'string')
    .flatMap((part) => (separator === '' ? [part] : part.split(separator)))
}

/** The error that an answer is by the tests of the profile, whatever its status, or by RFC 6749 section 5.2. */
export function readRefusal(
  document: unknown,
  dialect: AnswerDialect,
  status: number,
  sent: readonly string[],
): ProviderWords | undefined {
  const { success, failure } = dialect
  const succeeded = success === undefined ? undefined : holds(document, success)
  const failed = succeeded === false || (failure !== undefined && holds(document, failure))
  // A success by its own test may have a member `error` that says so.
  if (!failed && succeeded === true && status >= 200 && status < 300) return undefined
  const body = isJsonObject(document) ? document : {}
  const standard = readErrorMember(body, sent)
  if (!failed && standard === undefined) return undefined
  const said = standard?.error === 'unspecified' ? undefined : standard
  const words = readOwnWords(document, dialect, sent)
  const { error, description } = words ??
    said ??
    readCodedRefusal(body, 400, sent) ?? { error: 'unspecified' }
  const told =
    readOwnDescription(document, dialect, sent) ??
    description ??
    standard?.description ??
    readDescription(body, sent)
  return { error, ...(told === undefined ? {} : { description: told }) }
}

/**
 * The error's code and description where the profile says that they stand. By itself no reason to take an answer with tokens for
 * a refusal: some write a code into successes too.
 */
export function readOwnWords(
  document: unknown,
  dialect: AnswerDialect,
  sent: readonly string[],
): ProviderWords | undefined {
  const { error_code: code } = dialect
  const error = code === undefined ? undefined : readErrorCode(firstAt(document, code), sent)
  if (error === undefined) return undefined
  const other = isJsonObject(document) ? readDescription(document, sent) : undefined
  const words = readOwnDescription(document, dialect, sent) ?? other
  return { error, ...(words === undefined ? {} : { description: words }) }
}

/** Where the profile says that it stands, also where the code is that of the RFC. */
function readOwnDescription(
  document: unknown,
  { error_description: pointer }: AnswerDialect,
  sent: readonly string[],
): string | undefined {
  const told = pointer === undefined ? undefined : firstAt(document, pointer)
  const shown = typeof told === 'string' ? printable(told, 500, sent) : ''
  return shown === '' ? undefined : shown
}

const mostNames = 12
/** Longer names, and odd ones, may be anything: a token as well. */
const plainName = /^[A-Za-z_][\w-]{0,29}$/

/** For people: where the access token was looked for and what was there instead. Names, and never a value. */
export function whereLooked(
  document: unknown,
  { id, answer = {} }: AnswerReading,
  sent: readonly string[],
): string {
  const { root, access_token: pointer = '/access_token' } = answer
  const place = `${pointerText(pointer)}${root === undefined ? '' : `, below answer.root at ${pointerText(root)}`}`
  const found = rootOf(document, answer)
  const from = isJsonObject(found) ? found : document
  const names = isJsonObject(from) ? Object.keys(from) : []
  const shown = names
    .slice(0, mostNames)
    .map((name) => (plainName.test(name) ? withoutSecrets(name, sent) : '…'))
  const there =
    shown.length === 0 ? 'no members' : [...shown, ...(names.length > mostNames ? ['…'] : [])].join(', ')
  return `the profile ${id} has answer.access_token at ${place}; there were ${there}`
}
