import { type Answer, OAuthError } from './answer.ts'
import { AssertionRefused, claimedNames, verifyAssertion } from './assertion-verification.ts'
import type { Exchange, Parameters, Practice } from './exchange.ts'
import { liveAccessToken } from './introspection.ts'
import { issueTokens, newLogin } from './issue.ts'
import type { ResolvedClient } from './practice-options.ts'
import { fingerprint } from './request-record.ts'
import { firstScope, readAudience } from './scope.ts'

const types = 'urn:ietf:params:oauth:token-type:'
const accessTokenType = `${types}access_token`
const jwtType = `${types}jwt`

/**
 * RFC 8693 section 2: a token of this server, or a JWT that a known issuer has signed, for an access token with the same
 * subject. An actor must prove itself in the same way, and leaves no trace in tokens that nobody can read.
 */
export async function tokenExchangeGrant(
  client: ResolvedClient,
  form: Parameters,
  exchange: Exchange,
  practice: Practice,
): Promise<Answer> {
  const presented = form.need('subject_token')
  exchange.record.presented = fingerprint(presented)
  const subject = await subjectOf(presented, form.need('subject_token_type'), practice)
  const actor = form.get('actor_token')
  if (actor !== undefined) await subjectOf(actor, form.need('actor_token_type'), practice)
  else if (form.get('actor_token_type') !== undefined)
    throw new OAuthError('invalid_request', 'actor_token_type stands without actor_token')
  const wanted = form.get('requested_token_type') ?? accessTokenType
  if (wanted !== accessTokenType)
    throw new OAuthError('invalid_request', 'the requested_token_type is not issued here')
  const scope = firstScope(form, client)
  const { clientId, accessTokenLifetime } = client
  const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange'
  const login = newLogin({ clientId, subject, grantType, scope }, practice.now())
  return issueTokens(
    {
      login,
      opens: true,
      scope,
      audience: [...readAudience(form), ...form.all('audience')],
      withRefreshToken: false,
      accessTokenLifetime,
      issuedTokenType: accessTokenType,
    },
    exchange,
    practice,
  )
}

/** Whom a token speaks of. RFC 8693 section 2.2.2: an unacceptable one is `invalid_request`. */
async function subjectOf(token: string, type: string, practice: Practice): Promise<string> {
  if (type === accessTokenType) {
    const live = liveAccessToken(token, practice)
    if (live !== undefined) return live.login.subject
    throw new OAuthError('invalid_request', 'the access token is expired, revoked or not known')
  }
  if (type !== jwtType) throw new OAuthError('invalid_request', 'that type of token is not exchanged here')
  try {
    const issuer = claimedNames(token).issuer ?? ''
    const keys = practice.options.assertionIssuers.get(issuer)
    if (keys === undefined) throw new AssertionRefused('the issuer of the JWT is not known')
    // A platform renews its JWT before it expires, and until then it is sent with each request.
    return (await verifyAssertion(token, issuer, keys, practice, false)).subject
  } catch (error) {
    if (error instanceof AssertionRefused) throw new OAuthError('invalid_request', error.message)
    throw error
  }
}
