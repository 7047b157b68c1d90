import { type Answer, OAuthError } from './answer.ts'
import { authorizationCodeGrant } from './authorization-code-grant.ts'
import { needClient, verifyClient } from './client-verification.ts'
import { deviceCodeGrant } from './device-code-grant.ts'
import { type Exchange, type Parameters, type Practice, readForm } from './exchange.ts'
import { issueTokens, newLogin } from './issue.ts'
import { jwtBearerGrant } from './jwt-bearer-grant.ts'
import { type PracticeGrantType, practiceGrantTypes } from './practice-clients.ts'
import type { ResolvedClient } from './practice-options.ts'
import { refreshTokenGrant } from './refresh-token-grant.ts'
import { firstScope, readAudience } from './scope.ts'
import { tokenExchangeGrant } from './token-exchange-grant.ts'

/** The token endpoint, RFC 6749 section 3.2. */
export async function tokenEndpoint(exchange: Exchange, practice: Practice): Promise<Answer> {
  const form = readForm(exchange)
  const grantType = readGrantType(form)
  exchange.record.grantType = grantType ?? 'other'
  if (grantType === undefined)
    throw new OAuthError('unsupported_grant_type', 'the practice server does not know the grant type')
  if (grantType === 'urn:ietf:params:oauth:grant-type:jwt-bearer') {
    // RFC 7521 section 4.1: client authentication is optional here, the assertion speaks for itself.
    const client = await verifyClient(exchange, form, practice)
    if (client) refuseGrantType(client, grantType)
    return jwtBearerGrant(client, form, exchange, practice)
  }
  const client = await needClient(exchange, form, practice)
  refuseGrantType(client, grantType)
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
