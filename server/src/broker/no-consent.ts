import { EvertokenError, type GrantSummary } from 'evertoken'

type Grant = Pick<GrantSummary, 'id' | 'grantType'>

/** Refuses a consent to a grant that nobody consents to, with what to do instead. */
export function checkConsentable(grant: Grant): void {
  const { id, grantType } = grant
  if (grantType === 'authorization_code') return
  throw new EvertokenError('invalid_request', `grant ${id} is of type ${grantType}: nobody consents to it`, {
    grant: id,
    advice: insteadOfConsent(grant),
  })
}

function insteadOfConsent({ id, grantType }: Grant): string {
  if (grantType === 'password')
    return 'It is logged in with a user name and a password, where its store is: evertoken login, or keeper.login.'
  if (grantType !== 'refresh_token')
    return 'Only authorization_code and password grants need a login; the others go on by themselves.'
  const first = id.slice(0, Math.max(0, id.lastIndexOf('.')))
  const beside = first === '' ? '' : ` If it came beside ${first}, it comes anew with that.`
  return `It lives by a refresh token that was handed in: evertoken replace ${id}, where its store is, takes that of a new login.${beside}`
}
