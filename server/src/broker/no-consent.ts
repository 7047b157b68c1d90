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
    advice:
      grantType === 'password'
        ? 'It is logged in with a user name and a password, where its store is: evertoken login, or keeper.login.'
        : `Only authorization_code and password grants need a login; the others go on by themselves.${beside}`,
  })
}
