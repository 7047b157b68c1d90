import { EvertokenError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import { member } from './json-object.ts'
import { readClaims } from './jwt-claims.ts'
import { printable } from './printable.ts'

/** What an id_token must fit. */
export interface IdTokenExpectation {
  /** Absent where nobody knows it: then `iss` is not compared. */
  readonly issuer?: string | undefined
  readonly clientId: string
  /** Absent where none was sent. */
  readonly nonce?: string | undefined
  /** UTC ms. */
  readonly now: number
}

/** Seconds by which the clocks of two machines may differ. */
const leeway = 300

/**
 * Checks an id_token that came straight from the token endpoint (OpenID Connect Core 1.0 section 3.1.3.7). Its signature is
 * not looked at: TLS has said who sent it, which step 6 allows in place of that.
 *
 * @throws EvertokenError `id_token_invalid`, with which claim it was and never with the token.
 */
export function checkIdToken(idToken: Secret, { issuer, clientId, nonce, now }: IdTokenExpectation): void {
  const claims = readClaims(idToken.reveal())
  if (claims === undefined) throw invalid('it is no JWT', 'Look at what the provider says of its id_tokens.')
  const [iss, sub, aud, azp, exp] = ['iss', 'sub', 'aud', 'azp', 'exp'].map((name) => member(claims, name))
  if (typeof iss !== 'string' || (issuer !== undefined && !isIssuer(iss, issuer)))
    throw invalid(
      `its iss is ${shown(iss)}${issuer === undefined ? '' : `, not ${issuer}`}`,
      'Name the issuer exactly as the provider writes it, or take issuer out of its profile.',
    )
  if (typeof sub !== 'string' || sub === '')
    throw invalid('it has no sub', 'The provider has to say who logged in.')
  const audience = [aud].flat()
  if (!audience.includes(clientId))
    throw invalid('its aud is another client', 'Compare client_id with what is registered at the provider.')
  if (azp === undefined ? audience.length > 1 : azp !== clientId)
    throw invalid('its azp is not this client', 'Compare client_id with what is registered at the provider.')
  if (typeof exp !== 'number' || exp + leeway <= now / 1000)
    throw invalid(
      'it has expired',
      'Compare the clock of this machine with that of the provider; then log in again.',
    )
  if (nonce !== undefined && member(claims, 'nonce') !== nonce)
    throw invalid(
      `its nonce is ${member(claims, 'nonce') === undefined ? 'missing' : 'that of another login'}`,
      'Log in again. A provider that never sends one back wants consent: { parameters: { nonce: null } } in its profile.',
    )
}

/**
 * Which claim of an id_token that a refresh brought says that it is of another login than the one it answers (OpenID Connect Core
 * 1.0 section 12.2): `iss` and `aud` stay what they were when the person logged in, which is the issuer and this client. What is
 * absent, or where nobody knows the issuer, is not compared.
 */
export function foreignClaim(
  idToken: Secret,
  { issuer, clientId }: Pick<IdTokenExpectation, 'issuer' | 'clientId'>,
): 'iss' | 'aud' | undefined {
  const claims = readClaims(idToken.reveal())
  if (claims === undefined) return undefined
  const [iss, aud] = [member(claims, 'iss'), member(claims, 'aud')]
  if (issuer !== undefined && iss !== undefined && (typeof iss !== 'string' || !isIssuer(iss, issuer)))
    return 'iss'
  return aud === undefined || clientId === '' || [aud].flat().includes(clientId) ? undefined : 'aud'
}

/** Google leaves out the scheme in some: the one exception that its documentation makes. */
const isIssuer = (iss: string, issuer: string): boolean => iss === issuer || `https://${iss}` === issuer

const shown = (value: unknown): string => (typeof value === 'string' ? printable(value, 200) : 'missing')

const invalid = (why: string, advice: string): EvertokenError =>
  new EvertokenError('id_token_invalid', `the id_token of this login cannot be believed: ${why}`, { advice })
