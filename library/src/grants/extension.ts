import type { TokenAnswer } from '../oauth/token-answer.ts'
import { Secret } from '../secret.ts'
import { findToken, type GrantRecord, type TokenKey } from './grant.ts'
import type { Seal } from './seal.ts'

/**
 * A refresh that brought no token and gave the present one its life anew, as an answer that brings that token: with the lifetime it
 * had, its scope and what is handed out beside it. As it was where it is another answer; unusable where no token is held.
 */
export function extended(answer: TokenAnswer, seal: Seal, record: GrantRecord, key: TokenKey): TokenAnswer {
  if (answer.kind !== 'unusable' || answer.extends === undefined) return answer
  const present = findToken(record, key)
  if (present === undefined)
    return {
      ...answer,
      detail: 'the refresh gave the present access token its life anew, and none is held: consent once',
    }
  const { sealed, scope, resource, type, lifetime, lifetimeFrom, grantedScope } = present
  const text = seal.open(sealed, { grant: record.id, field: 'access_token', scope, resource })
  const { value, metadata } = JSON.parse(text) as { value: string; metadata: Record<string, unknown> }
  return {
    kind: 'tokens',
    status: answer.status,
    response: {
      accessToken: new Secret(value),
      tokenType: type,
      ...(lifetimeFrom === 'stated' ? { expiresIn: lifetime / 1000 } : {}),
      scope: grantedScope,
      metadata,
      whole: answer.extends,
    },
  }
}
