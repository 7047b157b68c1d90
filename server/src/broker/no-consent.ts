import { EvertokenError, type GrantSummary } from 'evertoken'

/** Refuses a consent to a grant that nobody consents to, with what to do instead. */
export function checkConsentable({ id, grantType }: Pick<GrantSummary, 'id' | 'grantType'>): void {
  if (grantType === 'authorization_code') return
  const first = id.slice(0, Math.max(0, id.lastIndexOf('.')))
  const beside =
    grantType === 'refresh_token' && first !== ''
      ? ` If it came beside ${first}, it comes anew with that.`
      : ''
  throw new EvertokenError('invalid_request', `grant ${id} is of type ${grantType}: nobody consents to it`, {
    grant: id,
    advice: `Only authorization_code grants need a login; the others go on by themselves.${beside}`,
  })
}
