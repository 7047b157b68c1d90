import { type Answer, errorAnswer, jsonAnswer, OAuthError } from './answer.ts'
import { askForConsent, takeDecision } from './authorization-endpoint.ts'
import { deviceAuthorizationEndpoint } from './device-authorization-endpoint.ts'
import { askForDevice, takeDeviceDecision } from './device-verification.ts'
import type { Exchange, Practice, Route } from './exchange.ts'
import { introspectionEndpoint } from './introspection.ts'
import { metadata } from './metadata.ts'
import { whoami } from './protected-resource.ts'
import { pushedAuthorizationRequestEndpoint } from './pushed-authorization-request-endpoint.ts'
import { revocationEndpoint } from './revocation-endpoint.ts'
import { tokenEndpoint } from './token-endpoint.ts'

/** Every path of the authorization server, by method; `/practice/…` is not part of it. */
const routes: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/.well-known/oauth-authorization-server': { GET: metadata },
  '/.well-known/openid-configuration': { GET: metadata },
  '/authorize': { GET: askForConsent, POST: takeDecision },
  '/par': { POST: pushedAuthorizationRequestEndpoint },
  '/device_authorization': { POST: deviceAuthorizationEndpoint },
  '/device': { GET: askForDevice, POST: takeDeviceDecision },
  '/token': { POST: tokenEndpoint },
  '/introspect': { POST: introspectionEndpoint },
  '/revoke': { POST: revocationEndpoint },
  '/userinfo': { GET: whoami },
  '/api/whoami': { GET: whoami },
}

/** From a request to its answer, without a socket; leaves the outcome in the record. */
export async function route(exchange: Exchange, practice: Practice): Promise<Answer> {
  const answer = await routed(exchange, practice)
  // RFC 9449 section 8.2: whoever proves is told the next nonce in time.
  if (!practice.options.dpopNonce || exchange.headers.dpop === undefined) return answer
  return { ...answer, headers: { ...answer.headers, 'dpop-nonce': practice.nonces.current() } }
}

async function routed(exchange: Exchange, practice: Practice): Promise<Answer> {
  const { record } = exchange
  try {
    const answer = await findRoute(exchange)(exchange, practice)
    if (record.outcome === 'received') record.outcome = 'answered'
    return answer
  } catch (error) {
    const refusal =
      error instanceof OAuthError
        ? error
        : new OAuthError('server_error', 'the practice server failed', { status: 500 })
    record.outcome = refusal.error
    record.reason = error instanceof Error ? error.message : String(error)
    return errorAnswer(refusal)
  }
}

function findRoute({ path, method, record }: Exchange): Route {
  const methods = Object.hasOwn(routes, path) ? routes[path] : undefined
  if (methods === undefined) {
    record.outcome = 'not_found'
    return () => jsonAnswer(404, { error: 'not_found' })
  }
  const found = Object.hasOwn(methods, method) ? methods[method] : undefined
  if (found !== undefined) return found
  throw new OAuthError('invalid_request', `the path does not take ${method}`, {
    status: 405,
    headers: { allow: Object.keys(methods).join(', ') },
  })
}
