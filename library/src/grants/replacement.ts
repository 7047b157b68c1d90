import { EvertokenError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import { checkedSecrets } from './authentication-options.ts'
import { type ClientOptions, type GrantDefinition, openedDefinition } from './definition.ts'
import type { GrantRecord } from './grant.ts'
import { checkedSecret } from './option-check.ts'
import { grantRevoked } from './reading.ts'
import { changedGrant } from './registration.ts'
import type { GrantStore, Moment } from './store.ts'

/** What may take the place of what a grant is obtained with; what is not named stays as it is. */
export interface Replacement {
  /** One, or two while it is being rotated; of a client that proves itself with a secret. */
  clientSecret?: ClientOptions['clientSecret']
  /** That of a new login; of a grant of type `refresh_token`. */
  refreshToken?: string | Secret | undefined
}

/**
 * The grant with others of its secrets. The login is the same one, and so are its tokens.
 *
 * @throws EvertokenError `grant_revoked`, `invalid_request` where the grant has no such secret, `invalid_configuration`, `empty_secret`.
 */
export function replacedGrant(
  store: GrantStore,
  record: GrantRecord,
  replacement: Replacement,
  utc: number,
  moment: Moment,
): GrantRecord {
  const { state } = record.status
  if (state === 'revoking' || state === 'revoked') throw grantRevoked(record)
  const before = openedDefinition(store.seal, record)
  return changedGrant(store, record, before, replaced(record.id, before, replacement), {}, utc, moment)
}

function replaced(
  id: string,
  definition: GrantDefinition,
  { clientSecret, refreshToken }: Replacement,
): GrantDefinition {
  if (definition.secondaryOf !== undefined)
    throw noSuch(id, `it came with ${definition.secondaryOf} and has its secrets`, {
      advice: `Replace those of ${definition.secondaryOf}, or log in to that again.`,
    })
  return Object.freeze({
    ...definition,
    ...(clientSecret !== undefined && { client: withSecret(id, definition, clientSecret) }),
    ...(refreshToken !== undefined && { refreshToken: imported(id, definition, refreshToken) }),
  })
}

function withSecret(
  id: string,
  { client }: GrantDefinition,
  given: NonNullable<Replacement['clientSecret']>,
): GrantDefinition['client'] {
  const { authentication } = client
  if (!('secret' in authentication))
    throw noSuch(id, `its client authenticates by ${authentication.method} and has no secret`)
  const { secret: _, secondSecret: __, ...rest } = authentication
  return Object.freeze({ ...client, authentication: Object.freeze({ ...rest, ...checkedSecrets(given) }) })
}

function imported(id: string, { grantType }: GrantDefinition, given: string | Secret): Secret {
  if (grantType !== 'refresh_token')
    throw noSuch(id, `it is of type ${grantType} and takes no refresh token from elsewhere`)
  return checkedSecret(given, 'refreshToken')
}

const noSuch = (id: string, why: string, facts: { readonly advice?: string } = {}): EvertokenError =>
  new EvertokenError('invalid_request', `grant ${id}: ${why}`, { grant: id, ...facts })
