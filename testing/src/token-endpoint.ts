import { type Answer, OAuthError } from './answer.ts'
import { authorizationCodeGrant } from './authorization-code-grant.ts'
import { needClient, verifyClient } from './client-verification.ts'
import { deviceCodeGrant } from './device-code-grant.ts'
import { type Exchange, type Parameters, type Practice, readForm } from './exchange.ts'
import { issueTokens, newLogin } from './issue.ts'
import { jwtBearerGrant } from './jwt-bearer-grant.ts'
import { type PracticeGrantType, practiceGrantTypes } from './practice-clients.ts'
import type { ResolvedClient } from './practice-options.ts'
import { verifyProof } from './proof-verification.ts'
import { refreshTokenGrant } from './refresh-token-grant.ts'
import { firstScope, readAudience } from './scope.ts'
import { tokenExchangeGrant } from './token-exchange-grant.ts'

/** The token endpoint, RFC 6749 section 3.2. */
export async function tokenEndpoint(received: Exchange, practice: Practice): Promise<Answer> {
  const form = readForm(received)
  const grantType = readGrantType(form)
  received.record.grantType = grantType ?? 'other'
  if (grantType === undefined)
    throw new OAuthError('unsupported_grant_type', 'the practice server does not know the grant type')
  if (grantType === 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
    // RFC 7521 section 4.1: client authentication is optional here, the assertion speaks for itself.
    const client = await verifyClient(received, form, practice)
    if (client) refuseGrantType(client, grantType)
    return jwtBearerGrant(client, form, await proved(received, client, practice), practice)
  }
  const client = await needClient(received, form, practice)
  refuseGrantType(client, grantType)
  const exchange = await proved(received, client, practice)
  switch (grantType) {
    case 'client_credentials':
      return clientCredentialsGrant(client, form, exchange, practice)
    case 'authorization_code':
      return authorizationCodeGrant(client, form, exchange, practice)
    case 'urn:ietf:params:oauth:grant-type:device_code':
      return deviceCodeGrant(client, form, exchange, practice)
    case 'urn:ietf:params:oauth:grant-type:token-exchange':
      return tokenExchangeGrant(client, form, exchange, practice)
    case 'refresh_token':
      return refreshTokenGrant(client, form, exchange, practice)
    default:
      return grantType satisfies never
  }
}

/** The request with the key that it shows, before anything is issued or spent (RFC 9449 section 5). */
async function proved(
  exchange: Exchange,
  client: ResolvedClient | undefined,
  practice: Practice,
): Promise<Exchange> {
  const jkt = await verifyProof(exchange, practice)
  if (jkt === undefined && client?.dpopBoundAccessTokens === true)
    throw new OAuthError('invalid_dpop_proof', 'the client must prove every token request')
  return { ...exchange, jkt }
}

function readGrantType(form: Parameters): PracticeGrantType | undefined {
  const asked = form.need('grant_type')
  return practiceGrantTypes.find((grantType) => grantType === asked)
}

function refuseGrantType(client: ResolvedClient, grantType: PracticeGrantType): void {
  if (!client.grantTypes.has(grantType))
    throw new OAuthError('unauthorized_client', 'the client is not registered for this grant type')
}

/** RFC 6749 section 4.4: no refresh token; the subject is the client itself. */
function clientCredentialsGrant(
  client: ResolvedClient,
  form: Parameters,
  exchange: Exchange,
  practice: Practice,
): Answer {
  const scope = firstScope(form, client)
  const audience = readAudience(form)
  const { clientId, accessTokenLifetime } = client
  const facts = { clientId, subject: clientId, grantType: 'client_credentials', scope }
  const login = newLogin(facts, practice.now())
  return issueTokens(
    { login, opens: true, scope, audience, withRefreshToken: false, accessTokenLifetime },
    exchange,
    practice,
  )
}
