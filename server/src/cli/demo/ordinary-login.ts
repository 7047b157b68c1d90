import { createHash, randomBytes } from 'node:crypto'
import { consent } from '@evertoken/testing'

/** What the ordinary processes keep in their file. */
export interface OrdinaryTokens {
  readonly access_token: string
  readonly refresh_token: string
  /** UTC ms. */
  readonly expires_at: number
}

export interface TokenAnswer {
  access_token: string
  refresh_token: string
  expires_in: number
  error?: string
}

/** A token response as it comes, with the time it ends. */
export function ordinaryTokens(answer: TokenAnswer): OrdinaryTokens {
  return {
    access_token: answer.access_token,
    refresh_token: answer.refresh_token,
    expires_at: Date.now() + answer.expires_in * 1000,
  }
}

/** A person's login as a program without evertoken does it: authorization code with PKCE, tokens in hand. */
export async function ordinaryLogin(issuer: string, clientId: string): Promise<OrdinaryTokens> {
  const verifier = randomBytes(32).toString('base64url')
  const redirectUri = 'http://127.0.0.1/callback'
  const url = new URL('/authorize', issuer)
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: clientId,
    redirect_uri: redirectUri,
    state: randomBytes(16).toString('base64url'),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString()
  const back = new URL(await consent(url.href, { subject: 'ordinary' }))
  const response = await fetch(new URL('/token', issuer), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      redirect_uri: redirectUri,
      code: back.searchParams.get('code') ?? '',
      code_verifier: verifier,
    }),
  })
  return ordinaryTokens((await response.json()) as TokenAnswer)
}
