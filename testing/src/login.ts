import { randomBytes } from 'node:crypto'
import { consent } from './consent.ts'

/** Whose login, and at which client. */
export interface LoginOptions {
  /** Default `practice-app`. */
  readonly clientId?: string | undefined
  /** Where the client has one; sent in the body. */
  readonly clientSecret?: string | undefined
  /** Default: what the page proposes, `practice-user`. */
  readonly subject?: string | undefined
  readonly scope?: readonly string[] | undefined
  /** One that is registered. Default `http://127.0.0.1/callback`. */
  readonly redirectUri?: string | undefined
}

/** What a login brought. Both tokens are secrets, of a server that guards nothing. */
export interface PracticeLogin {
  readonly accessToken: string
  readonly refreshToken: string
  /** Seconds. */
  readonly expiresIn: number
}

/**
 * A login from beginning to end (RFC 6749 section 4.1 with PKCE), person included: for programs that begin with a refresh
 * token. Works against any practice server, also one in another process. Throws with the server's own words when it refuses.
 *
 * @param issuer of the practice server.
 */
export async function login(issuer: string | URL, options: LoginOptions = {}): Promise<PracticeLogin> {
  const {
    clientId = 'practice-app',
    clientSecret,
    subject,
    scope = [],
    redirectUri = 'http://127.0.0.1/callback',
  } = options
  const verifier = randomBytes(32).toString('base64url')
  const url = new URL('/authorize', issuer)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    code_challenge: await challengeOf(verifier),
    code_challenge_method: 'S256',
    ...(scope.length === 0 ? {} : { scope: scope.join(' ') }),
  }).toString()
  const callback = new URL(await consent(url, { subject }))
  const answer = await fetch(new URL('/token', issuer), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      redirect_uri: redirectUri,
      code: callback.searchParams.get('code') ?? '',
      code_verifier: verifier,
      ...(clientSecret === undefined ? {} : { client_secret: clientSecret }),
    }),
  })
  const said = (await answer.json()) as {
    access_token?: string
    refresh_token?: string
    expires_in?: number
    error?: string
    error_description?: string
  }
  if (said.access_token === undefined)
    throw new Error(
      `the practice server refused: ${said.error ?? answer.status} ${said.error_description ?? ''}`,
    )
  return {
    accessToken: said.access_token,
    refreshToken: said.refresh_token ?? '',
    expiresIn: said.expires_in ?? 0,
  }
}

/** RFC 7636 section 4.2. */
async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return Buffer.from(digest).toString('base64url')
}
