import { type Answer, OAuthError } from './answer.ts'
import type { Exchange, Parameters, Practice } from './exchange.ts'
import { issueTokens, repeatAnswer, type SpentRefreshToken } from './issue.ts'
import type { Login, RefreshToken } from './practice-events.ts'
import type { ResolvedClient } from './practice-options.ts'
import { digest, fingerprint } from './request-record.ts'
import { judgeRefresh } from './rotation.ts'
import { readAudience, refreshedScope } from './scope.ts'

/**
 * RFC 6749 section 6. Only an issued answer spends a token: a request refused for its client, scope or resource leaves
 * it good. Nothing is awaited here, so that two requests cannot both spend it.
 */
export function refreshTokenGrant(
  client: ResolvedClient,
  form: Parameters,
  exchange: Exchange,
  practice: Practice,
): Answer {
  const presented = form.need('refresh_token')
  exchange.record.presented = fingerprint(presented)
  const { token, login } = findToken(presented, client, exchange, practice)
  const { state, options } = practice
  const child = token.child === undefined ? undefined : state.refreshToken(token.child)
  const verdict = judgeRefresh(options, token, child?.child !== undefined, practice.now())
  const issue = (spentRefreshToken?: SpentRefreshToken): Answer =>
    issueTokens(
      {
        login,
        opens: false,
        scope: refreshedScope(form, login.scope),
        audience: readAudience(form),
        withRefreshToken: spentRefreshToken !== undefined,
        accessTokenLifetime: client.accessTokenLifetime,
        ...(spentRefreshToken ? { spentRefreshToken } : {}),
      },
      exchange,
      practice,
    )
  switch (verdict) {
    case 'rotate':
      return issue({ clear: presented })
    case 'replace_child':
      return issue({ clear: presented, replaces: token.child })
    case 'keep':
      return issue()
    case 'repeat':
      if (token.repeatable === undefined) throw new Error('the answer cannot be repeated')
      return repeatAnswer(presented, login, token.repeatable, exchange, practice)
    case 'kill_family':
      state.commit({
        type: 'login_revoked',
        at: practice.now(),
        login: login.id,
        reason: 'refresh_token_reused',
      })
      exchange.note({ type: 'family_killed', login: login.id, refreshToken: fingerprint(presented) })
      throw new OAuthError('invalid_grant', 'the refresh token was used before; its family is revoked')
    case 'refuse':
      throw new OAuthError('invalid_grant', 'the refresh token was used before')
    default:
      return verdict satisfies never
  }
}

function findToken(
  presented: string,
  client: ResolvedClient,
  exchange: Exchange,
  practice: Practice,
): { token: RefreshToken; login: Login } {
  const token = practice.state.refreshToken(digest(presented))
  const login = token && practice.state.login(token.login)
  if (token === undefined || login === undefined || login.clientId !== client.clientId)
    throw new OAuthError('invalid_grant', 'the refresh token is not known or belongs to another client')
  exchange.record.login = login.id
  exchange.record.subject = login.subject
  if (login.revoked !== undefined)
    throw new OAuthError('invalid_grant', `the login is revoked: ${login.revoked}`)
  if (token.jkt !== undefined && token.jkt !== exchange.jkt)
    throw new OAuthError('invalid_grant', 'the refresh token is bound to another key')
  if (token.expiresAt <= practice.now())
    throw new OAuthError('invalid_grant', 'the refresh token has expired')
  return { token, login }
}
