import { type Answer, OAuthError, redirectAnswer } from './answer.ts'
import {
  type AuthorizationRequest,
  type ReturnAddress,
  readAuthorizationRequest,
  readReturnAddress,
} from './authorization-request.ts'
import { consentPage, refusalPage } from './consent-page.ts'
import { type Exchange, type Practice, readForm } from './exchange.ts'
import { newSecret } from './issue.ts'
import type { PushedRequest } from './practice-events.ts'
import { decideOnce, referredRequest, showOnce } from './pushed-request.ts'
import { digest, fingerprint } from './request-record.ts'

/** Who consents when the form names nobody. */
export const defaultSubject = 'practice-user'

/** GET shows the consent page, RFC 6749 section 3.1. */
export function askForConsent(exchange: Exchange, practice: Practice): Answer {
  return withRequest(exchange, practice, showOnce, (request) =>
    consentPage(request, `/authorize?${exchange.query}`, request.loginHint ?? defaultSubject),
  )
}

/** POST takes the decision; the authorization request stands in the query again and is checked again. */
export function takeDecision(exchange: Exchange, practice: Practice): Answer {
  const foreign = foreignForm(exchange, practice)
  if (foreign !== undefined) return refusalPage(exchange, foreign)
  return withRequest(exchange, practice, decideOnce, (request) => {
    const form = readForm(exchange)
    const decision = form.need('decision')
    if (decision !== 'allow') throw new OAuthError('access_denied', 'the person denied the request')
    const subject = form.get('subject') ?? defaultSubject
    exchange.record.subject = subject
    exchange.record.outcome = 'consented'
    return redirectAnswer(
      returnUrl(request, practice, { code: issueCode(request, subject, exchange, practice) }),
    )
  })
}

/** A foreign page must not consent in the person's place; programs without a browser send no Origin. */
export function foreignForm(
  { headers: { origin, host } }: Exchange,
  practice: Practice,
): OAuthError | undefined {
  if (origin === undefined || origin === practice.issuer || origin === `http://${host}`) return undefined
  return new OAuthError('access_denied', 'the form was sent by another site', { status: 403 })
}

function withRequest(
  exchange: Exchange,
  practice: Practice,
  use: (pushed: PushedRequest, practice: Practice) => void,
  answer: (request: AuthorizationRequest) => Answer,
): Answer {
  let address: ReturnAddress | undefined
  try {
    const pushed = referredRequest(exchange.query, practice)
    if (pushed !== undefined) use(pushed, practice)
    // What was pushed counts, whatever else stands in the URL.
    const query = pushed === undefined ? exchange.query : new URLSearchParams(pushed.query)
    address = readReturnAddress(query, practice)
    exchange.record.clientId = address.client.clientId
    return answer(readAuthorizationRequest(query, address))
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error
    if (address === undefined) return refusalPage(exchange, error)
    exchange.record.outcome = error.error
    exchange.record.reason = error.message
    const refusal = { error: error.error, error_description: error.message }
    return redirectAnswer(returnUrl(address, practice, refusal))
  }
}

function issueCode(
  request: AuthorizationRequest,
  subject: string,
  exchange: Exchange,
  practice: Practice,
): string {
  const code = newSecret('code')
  const now = practice.now()
  practice.state.commit({
    type: 'code_issued',
    at: now,
    code: {
      digest: digest(code),
      clientId: request.client.clientId,
      subject,
      scope: request.scope,
      audience: request.audience,
      redirectUri: request.redirectUriGiven ? request.redirectUri : undefined,
      codeChallenge: request.codeChallenge,
      jkt: request.jkt,
      expiresAt: now + practice.options.codeLifetime * 1000,
    },
  })
  exchange.record.presented = fingerprint(code)
  return code
}

/** The authorization response, RFC 6749 section 4.1.2, with `iss` also in errors (RFC 9207 section 2). */
function returnUrl(address: ReturnAddress, practice: Practice, parameters: Record<string, string>): string {
  const url = new URL(address.redirectUri)
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  if (address.state !== undefined) url.searchParams.set('state', address.state)
  url.searchParams.set('iss', practice.issuer)
  return url.href
}
