import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import { checkIdToken } from '../oauth/id-token.ts'
import { consentScope } from '../oauth/request-dialect.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import type { GrantDefinition } from './definition.ts'
import type { GrantRecord } from './grant.ts'
import type { Seal } from './seal.ts'

/** The scope by which an authorization request is one of OpenID Connect (Core 1.0 section 3.1.2.1). */
export const asksForIdentity = ({ client, scope }: GrantDefinition): boolean =>
  consentScope(client, scope).includes('openid')

/**
 * Checks who a login says it is for. A provider that sends no id_token though `openid` was asked for is believed, unless its
 * metadata promises one.
 *
 * @param nonce that went with the request, if any did.
 * @param now UTC ms.
 * @throws EvertokenError `id_token_invalid`.
 */
export function checkIdentity(
  id: string,
  { client }: GrantDefinition,
  server: ServerMetadata,
  { idToken }: TokenResponse,
  nonce: string | undefined,
  now: number,
): void {
  if (idToken !== undefined) {
    checkIdToken(idToken, { issuer: server.issuer, clientId: client.clientId, nonce, now })
    return
  }
  if (server.openid !== true) return
  throw new EvertokenError(
    'id_token_invalid',
    `grant ${id}: the provider sent no id_token, though openid was asked for and its metadata promises one`,
    { grant: id, advice: 'Leave openid out of the scope if nobody needs to know who logged in.' },
  )
}

/**
 * Refuses another account than the one before: who relies on the name of the grant relies on whose it is. The tokens are
 * dropped and not revoked, since the other account may be kept under another name, with the same client.
 *
 * @throws EvertokenError `other_account`.
 */
export function checkAccount(
  seal: Seal,
  { id, subject: before }: Pick<GrantRecord, 'id' | 'subject'>,
  { subject }: TokenResponse,
): void {
  if (before === undefined || subject === undefined || seal.fingerprint(subject, before) === before) return
  throw new EvertokenError(
    'other_account',
    `grant ${id} was consented to with another account than before; it stays as it was`,
    {
      grant: id,
      advice: `Log in with the account of before. If it is to be another from now on: evertoken login ${id} --other-account.`,
    },
  )
}
