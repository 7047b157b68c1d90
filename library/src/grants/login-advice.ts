import type { GrantRecord } from './grant.ts'

/** How a grant that was refused for certain comes back: only what a grant of its type can do, on every way that there is to it. */
export function loginAdvice({ id, grantType }: Pick<GrantRecord, 'id' | 'grantType'>): string {
  switch (grantType) {
    case 'authorization_code':
      return `Consent to it by evertoken login ${id}, POST /v1/grants/${id}/connect on the broker, or beginConsent in a program.`
    case 'password':
      return `Log in to it by evertoken login ${id}, or keeper.login in a program.`
    case 'refresh_token':
      return `Hand in the refresh token of a new login by evertoken replace ${id}, or keeper.replace or a new tokenSource in a program.${besideText({ id, grantType })}`
    case 'client_credentials':
    case 'jwt_bearer':
    case 'token_exchange':
    case 'request':
      return `Mend what was refused, here or at the provider; then evertoken resume ${id}, POST /v1/grants/${id}/resume on the broker, or keeper.resume or a new tokenSource in a program.`
    default:
      return grantType satisfies never
  }
}

/** Of a grant that may be a secondary one, as far as its name tells (secondary.ts). */
export function besideText({ id, grantType }: Pick<GrantRecord, 'id' | 'grantType'>): string {
  const first = grantType === 'refresh_token' ? id.slice(0, Math.max(0, id.lastIndexOf('.'))) : ''
  return first === '' ? '' : ` If it came beside ${first}, it comes anew with that.`
}
