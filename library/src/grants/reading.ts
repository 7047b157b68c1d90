import { EvertokenError, ReauthorizationRequiredError } from '../errors.ts'
import { findToken, type GrantRecord, mints, needsLogin, type TokenKey, type TokenRow } from './grant.ts'
import { besideText, loginAdvice } from './login-advice.ts'
import { windows } from './schedule.ts'

/** What a reader is to get. */
export type Reading =
  /** This token now; `soon`: it is in its advisory window, so a refresh is to run behind the reader's back. */
  | { readonly kind: 'serve'; readonly row: TokenRow; readonly stale: boolean; readonly soon: boolean }
  /** A newer one is to be waited for; `row` is what to fall back on, if it has not expired. */
  | { readonly kind: 'renew'; readonly generation: number; readonly row: TokenRow | undefined }
  | { readonly kind: 'refuse'; readonly error: EvertokenError }

/** Decides for a reader who wants a token that still lives `minTtl` ms. Pure. */
export function readingOf(record: GrantRecord, key: TokenKey, minTtl: number, utc: number): Reading {
  const row = findToken(record, key)
  const left = row === undefined ? 0 : row.expiresAt - utc
  const { status, id } = record
  switch (status.state) {
    case 'active':
    case 'suspect': {
      if (row === undefined || left <= 0)
        return { kind: 'renew', generation: row?.generation ?? 0, row: undefined }
      const { advisory, mandatory } = windows(row.lifetime, record.refreshBefore, record.facts.oldTokenDies)
      // More than half of a life is not insisted on: it would make every read a refresh.
      const wanted = Math.min(minTtl, row.lifetime / 2)
      if (left <= Math.max(mandatory, wanted)) return { kind: 'renew', generation: row.generation, row }
      // It is being replaced, and dies the moment it is: the new one is worth waiting for.
      if (record.facts.oldTokenDies && record.lease !== undefined)
        return { kind: 'renew', generation: row.generation, row }
      return { kind: 'serve', row, stale: left < minTtl, soon: left <= advisory }
    }
    case 'reauthorization_required':
      if (row !== undefined && left > 0) return { kind: 'serve', row, stale: left < minTtl, soon: false }
      return { kind: 'refuse', error: reauthorizationRequired(record, status.reason) }
    case 'pending':
      return {
        kind: 'refuse',
        error: new EvertokenError('grant_pending', `grant ${id} waits for a person's consent`, {
          grant: id,
          advice: loginAdvice(record),
        }),
      }
    case 'paused':
      return {
        kind: 'refuse',
        error: new EvertokenError('grant_paused', `grant ${id} is paused`, {
          grant: id,
          advice: `evertoken resume ${id} lets it go on.`,
        }),
      }
    case 'quarantined':
      return {
        kind: 'refuse',
        error: new EvertokenError('grant_quarantined', `grant ${id} is set aside: ${status.reason}`, {
          grant: id,
          advice: needsLogin(record.grantType)
            ? `Look at the reason; evertoken resume ${id} lets it go on, evertoken login ${id} begins anew.`
            : `Look at the reason; evertoken resume ${id} lets it go on.`,
        }),
      }
    case 'revoking':
    case 'revoked':
      return {
        kind: 'refuse',
        error: grantRevoked(record),
      }
    default:
      return status satisfies never
  }
}

export const grantRevoked = ({ id, grantType }: Pick<GrantRecord, 'id' | 'grantType'>): EvertokenError =>
  new EvertokenError('grant_revoked', `grant ${id} is revoked`, {
    grant: id,
    advice: needsLogin(grantType)
      ? `A new login brings it back: evertoken login ${id}; evertoken remove ${id} forgets it.`
      : `evertoken remove ${id} forgets it; it may then be added anew.${besideText({ id, grantType })}`,
  })

/** The provider has refused for certain. Nobody consents to tokens that are minted or to a login that was handed in. */
export function reauthorizationRequired(
  { id, grantType }: Pick<GrantRecord, 'id' | 'grantType'>,
  reason: string,
): EvertokenError {
  const what = mints(grantType)
    ? 'is not tried again by itself'
    : needsLogin(grantType)
      ? 'needs a new consent'
      : 'needs a new login'
  return new ReauthorizationRequiredError('reauthorization_required', `grant ${id} ${what}: ${reason}`, {
    grant: id,
    advice: loginAdvice({ id, grantType }),
  })
}

export const unknownGrant = (id: string, location: string): EvertokenError =>
  new EvertokenError('unknown_grant', `there is no grant ${JSON.stringify(id)} in ${location}`, {
    grant: id,
    advice: 'evertoken list shows the names there are; evertoken add makes one.',
  })
