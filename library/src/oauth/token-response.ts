import type { AnswerDialect } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import {
  type AnswerReading,
  extendsPresent,
  normalised,
  readOwnWords,
  readRefusal,
  refreshLifetimes,
  whereLooked,
} from './answer-dialect.ts'
import { readMetadata } from './answer-metadata.ts'
import { readAnswerText } from './answer-text.ts'
import { readRefreshToken } from './broken-answer.ts'
import { readCodedRefusal, saysSuccess } from './coded-refusal.ts'
import { type ErrorAnswer, readErrorMember } from './error-response.ts'
import { ruled } from './error-rules.ts'
import { readExpiry } from './expiry.ts'
import { isJsonObject, type JsonObject, member } from './json-object.ts'
import { readClaims } from './jwt-claims.ts'
import { withoutSecrets } from './printable.ts'
import { parseDate, retryAfter } from './retry-after.ts'
import { partDialect, secondaryParts } from './secondary-tokens.ts'
import type { TokenAnswer, TokenResponse, UnusableAnswer } from './token-answer.ts'
import type { WireResponse } from './transport.ts'

/**
 * What goes into an Authorization header: no space, no control character (RFC 6750 section 2.1, wider than its
 * b64token because real tokens are), so that no line break of a provider ever reaches a header of a caller.
 */
const accessTokenText = /^[\x21-\x7e]{1,16384}$/
/** RFC 6749 section 3.3. */
const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]+$/
const tokenTypeText = /^[\x21-\x7e]{1,50}$/
const tenYears = 10 * 365.25 * 86_400

/**
 * Reads what a token endpoint answered (RFC 6749 sections 5.1 and 5.2) as real ones answer it, and in the dialect of one where
 * there is a profile. Nothing in `response` makes it throw. `sent` holds the secrets of the request, none of which is shown in
 * the answer. `now` in UTC ms.
 */
export function readTokenAnswer(
  response: WireResponse,
  sent: readonly string[],
  now: number,
  reading?: AnswerReading | undefined,
): TokenAnswer {
  const { status, headers } = response
  const asked = retryAfter(headers, now)
  const facts = { status, ...(asked === undefined ? {} : { retryAfter: asked }) }
  if (status >= 300 && status < 400) return { kind: 'unusable', ...facts, reason: 'redirect' }

  const text = response.body.replace(/^\ufeff/, '')
  const judged = (answer: ErrorAnswer | UnusableAnswer, document?: unknown): TokenAnswer =>
    ruled(answer, document, reading?.errors, sent)
  if (text.trim() === '') return judged({ kind: 'unusable', ...facts, reason: 'empty' })
  const whole = new Secret(text)
  const read = readAnswerText(text, headers)
  if (read === undefined) return judged({ kind: 'unusable', ...facts, reason: 'not_json', whole })
  const document = read.value
  const plain = isJsonObject(document) ? document : {}

  // Some send errors with status 200 (Slack, GitHub), some invalid_grant with 403 (Atlassian): the code decides.
  const dialect = reading?.answer
  const error =
    dialect === undefined ? readErrorMember(plain, sent) : readRefusal(document, dialect, status, sent)
  if (error !== undefined) return judged({ kind: 'error', ...facts, ...error }, document)

  const body = dialect === undefined ? plain : normalised(document, dialect, clocksOf(headers, now))
  const accessToken = member(body, 'access_token')
  const refreshToken = readRefreshToken(body)
  const kept = { ...(refreshToken === undefined ? {} : { refreshToken }), whole }
  if (accessToken === undefined || accessToken === null || accessToken === '') {
    const detail = reading === undefined ? {} : { detail: whereLooked(document, reading, sent) }
    const unusable: UnusableAnswer = {
      kind: 'unusable',
      ...facts,
      reason: 'no_access_token',
      ...detail,
      ...kept,
    }
    // What came with it is kept whatever else it says.
    if (refreshToken !== undefined) return unusable
    if (dialect !== undefined && extendsPresent(document, dialect, status))
      return { ...unusable, extends: whole }
    const own = dialect === undefined ? undefined : readOwnWords(document, dialect, sent)
    const said = own === undefined || saysSuccess(own.error) ? readCodedRefusal(plain, status, sent) : own
    return judged(said === undefined ? unusable : { kind: 'error', ...facts, ...said }, document)
  }
  const succeeded = status >= 200 && status < 300
  if (!succeeded || typeof accessToken !== 'string' || !accessTokenText.test(accessToken))
    return { kind: 'unusable', ...facts, reason: 'bad_access_token', ...kept }
  const tokens = readTokens(body, accessToken, kept, sent)
  if (dialect === undefined) return { kind: 'tokens', status, response: tokens }
  const metadata = readMetadata(document, dialect, body, sent)
  const secondary = readSecondary(document, dialect, tokens, sent, clocksOf(headers, now))
  return {
    kind: 'tokens',
    status,
    response: {
      ...tokens,
      ...(metadata === undefined ? {} : { metadata }),
      ...(secondary === undefined ? {} : { secondary }),
    },
  }
}

/**
 * What else was brought: each part that has an access token, read like an answer. Metadata that does not stand in the part is taken
 * from the top, as ever; `first` are the tokens that stand there.
 */
function readSecondary(
  document: unknown,
  dialect: AnswerDialect,
  first: TokenResponse,
  sent: readonly string[],
  clocks: readonly number[],
): TokenResponse['secondary'] {
  const reading = partDialect(dialect)
  const others = [first.accessToken, first.refreshToken, first.idToken].flatMap((one) => one?.reveal() ?? [])
  const found = secondaryParts(document, dialect).flatMap(
    ({ name, root, part }): [string, TokenResponse][] => {
      const body = normalised(part, reading, clocks)
      const accessToken = member(body, 'access_token')
      if (typeof accessToken !== 'string' || !accessTokenText.test(accessToken)) return []
      const refreshToken = readRefreshToken(body)
      const kept = {
        ...(refreshToken === undefined ? {} : { refreshToken }),
        whole: new Secret(JSON.stringify(part)),
      }
      const metadata = readMetadata(document, { ...dialect, root }, body, [...sent, ...others])
      const tokens = readTokens(body, accessToken, kept, sent)
      return [[name, { ...tokens, ...(metadata === undefined ? {} : { metadata }) }]]
    },
  )
  return found.length === 0 ? undefined : Object.fromEntries(found)
}

/** Ours, and that of the answer's own `Date`. */
function clocksOf(headers: Readonly<Record<string, string>>, now: number): readonly number[] {
  const date = parseDate(headers.date?.trim() ?? '')
  return date === undefined ? [now] : [now, date]
}

function readTokens(
  body: JsonObject,
  accessToken: string,
  kept: { readonly refreshToken?: Secret; readonly whole: Secret },
  sent: readonly string[],
): TokenResponse {
  const expiresIn = readLifetime(member(body, 'expires_in'))
  const jwtExpiresAt = readJwtExpiry(accessToken)
  const idToken = member(body, 'id_token')
  const tokenType = readTokenType(member(body, 'token_type'), sent)
  // What a profile, or a provider, takes for a type or a scope is stored and shown as it is: no token may be among it.
  const isToken = among([accessToken, kept.refreshToken?.reveal(), idToken])
  const scope = readScope(member(body, 'scope'), sent)?.filter((word) => !isToken(word))
  const subject = typeof idToken === 'string' ? readSubject(idToken) : undefined
  const refreshTokenExpiresIn = refreshLifetimes
    .map((name) => readLifetime(member(body, name)))
    .find((lifetime) => lifetime !== undefined)
  return {
    accessToken: new Secret(accessToken),
    tokenType: isToken(tokenType) ? 'Bearer' : tokenType,
    ...(expiresIn === undefined ? {} : { expiresIn }),
    ...(jwtExpiresAt === undefined ? {} : { jwtExpiresAt }),
    ...(isCertificateBound(accessToken) ? { certificateBound: true } : {}),
    ...(scope === undefined || scope.length === 0 ? {} : { scope }),
    ...(typeof idToken === 'string' && idToken !== '' ? { idToken: new Secret(idToken) } : {}),
    ...(subject === undefined ? {} : { subject }),
    ...(refreshTokenExpiresIn === undefined ? {} : { refreshTokenExpiresIn }),
    ...kept,
  }
}

/** A shorter text is an ordinary word that stands in some token by chance. */
const shortestToken = 8
const shortestPart = 12

/** Whether a text is one of the tokens, holds one, or is a part of one. */
const among = (tokens: readonly unknown[]) => {
  const texts = tokens.filter((token) => typeof token === 'string')
  return (text: string): boolean =>
    texts.some(
      (token) =>
        text === token ||
        (token.length >= shortestToken && text.includes(token)) ||
        (text.length >= shortestPart && token.includes(text)),
    )
}

const readLifetime = (value: unknown): number | undefined => readExpiry(value, 'relative_s', [])

function readTokenType(value: unknown, sent: readonly string[]): string {
  if (typeof value !== 'string' || !tokenTypeText.test(value) || /^bearer$/i.test(value)) return 'Bearer'
  return withoutSecrets(value, sent) === value ? value : 'Bearer'
}

function readScope(value: unknown, sent: readonly string[]): readonly string[] | undefined {
  const words = (Array.isArray(value) ? value : [value])
    .filter((part) => typeof part === 'string')
    .flatMap((part) => part.split(/\s+/))
    .filter((word) => scopeToken.test(word))
    .map((word) => withoutSecrets(word, sent))
  return words.length === 0 ? undefined : [...new Set(words)]
}

/** `exp` of an access token that is a JWT, UTC seconds, where it lies within ten years of its `iat`. */
export function readJwtExpiry(accessToken: string): number | undefined {
  const claims = readClaims(accessToken)
  if (claims === undefined) return undefined
  const [exp, iat] = [member(claims, 'exp'), member(claims, 'iat')]
  if (typeof exp !== 'number' || typeof iat !== 'number') return undefined
  return iat < exp && exp < iat + tenYears ? exp : undefined
}

/** RFC 8705 section 3.1. Of a token that is no JWT only its provider knows. */
function isCertificateBound(accessToken: string): boolean {
  const claims = readClaims(accessToken)
  const confirmation = claims === undefined ? undefined : member(claims, 'cnf')
  return isJsonObject(confirmation) && typeof member(confirmation, 'x5t#S256') === 'string'
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
