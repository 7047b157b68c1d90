import { type Answer, OAuthError } from './answer.ts'
import { AssertionRefused, claimedNames, verifyAssertion } from './assertion-verification.ts'
import type { Exchange, Parameters, Practice } from './exchange.ts'
import { issueTokens, newLogin } from './issue.ts'
import type { ResolvedClient } from './practice-options.ts'
import { fingerprint } from './request-record.ts'
import { firstScope, readAudience } from './scope.ts'

/** RFC 7523 section 2.1: a signed assertion buys an access token, once. Without a client, `iss` stands for it. */
export async function jwtBearerGrant(
  client: ResolvedClient | undefined,
  form: Parameters,
  exchange: Exchange,
  practice: Practice,
): Promise<Answer> {
  const assertion = form.need('assertion')
  exchange.record.presented = fingerprint(assertion)
  const scope = firstScope(form, client)
  const audience = readAudience(form)
  try {
    const issuer = claimedNames(assertion).issuer ?? ''
    const keys = practice.options.assertionIssuers.get(issuer)
    if (keys === undefined) throw new AssertionRefused('the issuer of the assertion is not known')
    const accepted = await verifyAssertion(assertion, issuer, keys, practice)
    accepted.spend()
    const grantType = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
    const facts = { clientId: client?.clientId ?? issuer, subject: accepted.subject, grantType, scope }
    const login = newLogin(facts, practice.now())
    const accessTokenLifetime = client?.accessTokenLifetime ?? practice.options.accessTokenLifetime
    return issueTokens(
      { login, opens: true, scope, audience, withRefreshToken: false, accessTokenLifetime },
      exchange,
      practice,
    )
  } catch (error) {
    // RFC 7523 section 3.1.
    if (error instanceof AssertionRefused) throw new OAuthError('invalid_grant', error.message)
    throw error
  }
}
