import { type AccessToken, AuthorizationCode } from 'simple-oauth2'
import type { StoredLogin } from './login-file.ts'
import type { PeerOptions } from './peer.ts'

export function simpleOAuth2({
  name,
  tokenUrl,
  clientId,
  clientSecret,
  deadline,
}: PeerOptions): AuthorizationCode {
  const { origin, pathname } = new URL(tokenUrl)
  return new AuthorizationCode({
    client: { id: clientId, secret: clientSecret },
    auth: { tokenHost: origin, tokenPath: pathname },
    options: { authorizationMethod: 'body' },
    http: { timeout: deadline, headers: { 'x-practice-sender': name } },
  })
}

/** Refreshes with simple-oauth2; what comes back is fit for the file. */
export async function refreshed(client: AuthorizationCode, stored: StoredLogin): Promise<StoredLogin> {
  const { token }: AccessToken = await client.createToken(stored).refresh()
  return {
    access_token: token.access_token,
    // simple-oauth2 5.1.0 loses the refresh token where the server does not send it again.
    refresh_token: String(token.refresh_token ?? stored.refresh_token),
    expires_at: Date.now() / 1000 + Number(token.expires_in),
  }
}
