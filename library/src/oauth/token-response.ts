import { Secret } from '../secret.ts'
import { readErrorMember } from './error-response.ts'
import { isJsonObject, type JsonObject, member, parseJson } from './json-object.ts'
import { withoutSecrets } from './printable.ts'
import { retryAfter } from './retry-after.ts'
import type { TokenAnswer, TokenResponse } from './token-answer.ts'
import type { WireResponse } from './transport.ts'

/**
 * What goes into an Authorization header: no space, no control character (RFC 6750 section 2.1, wider than its
 * b64token because real tokens are), so that no line break of a provider ever reaches a header of a caller.
 */
const accessTokenText = /^[\x21-\x7e]{1,16384}$/
/** RFC 6749 appendix A.17: a refresh token may hold spaces; it travels only in form bodies. */
const refreshTokenText = /^[\x20-\x7e]{1,16384}$/
/** RFC 6749 section 3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const tokenTypeText = /^[\x21-\x7e]{1,50}$/
/** Seconds. A hundred years: longer says "never" and would leave the range of dates. */
const longestLifetime = 100 * 365.25 * 86_400
/** By whom it is written so: many, Intuit, Keycloak. No standard names it. */
const refreshLifetimes = ['refresh_token_expires_in', 'x_refresh_token_expires_in', 'refresh_expires_in']
const tenYears = 10 * 365.25 * 86_400

/**
 * Reads what a token endpoint answered (RFC 6749 sections 5.1 and 5.2) as real ones answer it. Nothing in `response`
 * makes it throw. `sent` holds the secrets of the request, none of which is shown in the answer. `now` in UTC ms.
 */
export function readTokenAnswer(response: WireResponse, sent: readonly string[], now: number): TokenAnswer {
  const { status } = response
  const asked = retryAfter(response.headers, now)
  const facts = { status, ...(asked === undefined ? {} : { retryAfter: asked }) }
  if (status >= 300 && status < 400) return { kind: 'unusable', ...facts, reason: 'redirect' }

  const text = response.body.replace(/^\ufeff/, '')
  if (text.trim() === '') return { kind: 'unusable', ...facts, reason: 'empty' }
  const whole = new Secret(text)
  const json = parseJson(text)
  if (json === undefined) return { kind: 'unusable', ...facts, reason: 'not_json', whole }
  const body = isJsonObject(json.value) ? json.value : {}

  // Some send errors with status 200 (Slack, GitHub), some invalid_grant with 403 (Atlassian): the code decides.
  const error = readErrorMember(body, sent)
  if (error !== undefined) return { kind: 'error', ...facts, ...error }

  const accessToken = member(body, 'access_token')
  const refreshToken = readRefreshToken(body)
  const kept = { ...(refreshToken === undefined ? {} : { refreshToken }), whole }
  if (accessToken === undefined || accessToken === null || accessToken === '')
    return { kind: 'unusable', ...facts, reason: 'no_access_token', ...kept }
  const succeeded = status >= 200 && status < 300
  if (!succeeded || typeof accessToken !== 'string' || !accessTokenText.test(accessToken))
    return { kind: 'unusable', ...facts, reason: 'bad_access_token', ...kept }
  return { kind: 'tokens', status, response: readTokens(body, accessToken, kept, sent) }
}

/** Ends of a broken text at which a member may be whole; each try reads the text anew. */
const mostCuts = 64

/**
 * The refresh token of an answer that broke off, if all of it had arrived: the text is ended behind its last whole member
 * and read as ever.
 */
export function salvageRefreshToken(partial: Secret): Secret | undefined {
  const text = partial.reveal().replace(/^\ufeff/, '')
  const broken = Array.from(endsOf(text), (end) => `${text.slice(0, end)}}`)
  for (const candidate of [text, ...broken]) {
    const body = parseJson(candidate)?.value
    if (isJsonObject(body)) return readRefreshToken(body)
  }
  return undefined
}

function* endsOf(text: string): Iterable<number> {
  let end = text.length
  for (let cuts = 0; cuts < mostCuts && end > 0; cuts++, end = text.lastIndexOf(',', end - 1)) yield end
}

function readTokens(
  body: JsonObject,
  accessToken: string,
  kept: { readonly refreshToken?: Secret; readonly whole: Secret },
  sent: readonly string[],
): TokenResponse {
  const expiresIn = readLifetime(member(body, 'expires_in'))
  const jwtExpiresAt = readJwtExpiry(accessToken)
  const scope = readScope(member(body, 'scope'), sent)
  const idToken = member(body, 'id_token')
  const subject = typeof idToken === 'string' ? readSubject(idToken) : undefined
  const refreshTokenExpiresIn = refreshLifetimes
    .map((name) => readLifetime(member(body, name)))
    .find((lifetime) => lifetime !== undefined)
  return {
    accessToken: new Secret(accessToken),
    tokenType: readTokenType(member(body, 'token_type'), sent),
    ...(expiresIn === undefined ? {} : { expiresIn }),
    ...(jwtExpiresAt === undefined ? {} : { jwtExpiresAt }),
    ...(scope === undefined ? {} : { scope }),
    ...(typeof idToken === 'string' && idToken !== '' ? { idToken: new Secret(idToken) } : {}),
    ...(subject === undefined ? {} : { subject }),
    ...(refreshTokenExpiresIn === undefined ? {} : { refreshTokenExpiresIn }),
    ...kept,
  }
}

function readRefreshToken(body: JsonObject): Secret | undefined {
  const value = member(body, 'refresh_token')
  return typeof value === 'string' && refreshTokenText.test(value) ? new Secret(value) : undefined
}

/** A lifetime of zero is none: a token that is born expired would be refreshed for ever. */
function readLifetime(value: unknown): number | undefined {
  const numeric = typeof value === 'string' && /^\s*\d+(\.\d+)?\s*$/.test(value) ? Number(value) : value
  if (typeof numeric !== 'number' || !Number.isFinite(numeric) || numeric < 1) return undefined
  return Math.min(Math.floor(numeric), longestLifetime)
}

function readTokenType(value: unknown, sent: readonly string[]): string {
  if (typeof value !== 'string' || !tokenTypeText.test(value) || /^bearer$/i.test(value)) return 'Bearer'
  return withoutSecrets(value, sent)
}

function readScope(value: unknown, sent: readonly string[]): readonly string[] | undefined {
  const words = (Array.isArray(value) ? value : [value])
    .filter((part) => typeof part === 'string')
    .flatMap((part) => part.split(/\s+/))
    .filter((word) => scopeToken.test(word))
    .map((word) => withoutSecrets(word, sent))
  return words.length === 0 ? undefined : [...new Set(words)]
}

function readJwtExpiry(accessToken: string): number | undefined {
  const claims = readClaims(accessToken)
  if (claims === undefined) return undefined
  const [exp, iat] = [member(claims, 'exp'), member(claims, 'iat')]
  if (typeof exp !== 'number' || typeof iat !== 'number') return undefined
  return iat < exp && exp < iat + tenYears ? exp : undefined
}

/**
 * Whose login it is. The signature is not looked at: the token came straight from the token endpoint, and TLS says who
 * that is (OpenID Connect Core 1.0 section 3.1.3.7, step 6). At most 255 characters (section 2).
 */
function readSubject(idToken: string): string | undefined {
  const claims = readClaims(idToken)
  const subject = claims === undefined ? undefined : member(claims, 'sub')
  return typeof subject === 'string' && subject !== '' && subject.length <= 255 ? subject : undefined
}

/** The claims of a JWT, unverified (RFC 7519 section 7.2). */
function readClaims(jwt: string): JsonObject | undefined {
  const parts = jwt.split('.')
  if (parts.length !== 3 || !/^[\w-]+$/.test(parts[1] ?? '')) return undefined
  const claims = parseJson(decodeBase64url(parts[1] as string))?.value
  return isJsonObject(claims) ? claims : undefined
}

/** Gives UTF-8, which the claims of a subject may well be. */
function decodeBase64url(text: string): string {
  try {
    const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)))
  } catch {
    return ''
  }
}
