import { OAuthError } from './answer.ts'
import { type Practice, readParameters } from './exchange.ts'
import type { PushedRequest } from './practice-events.ts'
import { digest } from './request-record.ts'

/**
 * What the query of the authorization endpoint refers to, RFC 9126 section 4; undefined where it holds the request itself.
 * Throws where that is not allowed, and for a reference that is not good, before anybody knows where to send the person.
 */
export function referredRequest(query: URLSearchParams, practice: Practice): PushedRequest | undefined {
  const parameters = readParameters(query)
  const requestUri = parameters.get('request_uri')
  if (requestUri === undefined) {
    if (practice.options.requirePushedAuthorization)
      throw new OAuthError('invalid_request', 'the authorization request must be pushed (RFC 9126)')
    return undefined
  }
  const request = practice.state.pushedRequest(digest(requestUri))
  if (request === undefined || request.clientId !== parameters.need('client_id'))
    throw new OAuthError('invalid_request', 'request_uri is unknown, was used, or is of another client')
  return request
}

/** It is shown once, while it is good: from then on only the page that shows it can go on with it. */
export function showOnce({ digest, shown, expiresAt }: PushedRequest, practice: Practice): void {
  const now = practice.now()
  if (shown === true) throw new OAuthError('invalid_request', 'request_uri was used')
  if (expiresAt <= now) throw new OAuthError('invalid_request', 'request_uri has expired')
  practice.state.commit({ type: 'pushed_request_shown', at: now, digest })
}

/** One decision is taken, however long the person thought about it. */
export function decideOnce({ digest, shown }: PushedRequest, practice: Practice): void {
  if (shown !== true) throw new OAuthError('invalid_request', 'request_uri was not opened')
  practice.state.commit({ type: 'pushed_request_decided', at: practice.now(), digest })
}
