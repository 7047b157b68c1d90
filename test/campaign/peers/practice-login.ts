import { createHash } from 'node:crypto'
import { consent } from '@evertoken/testing'
import type { StoredLogin } from './login-file.ts'

const redirectUri = 'http://127.0.0.1:49152/callback'
const verifier = 'v'.repeat(43)
const client = { client_id: 'practice-web', client_secret: 'practice-web-secret' }

/** A login of `practice-web` at a practice server, by hand: what a peer is given to start with. */
export async function practiceLogin(issuer: string, subject: string): Promise<StoredLogin> {
  const url = new URL('/authorize', issuer)
  const asked = {
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: redirectUri,
    state: 'peer',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
  const code = new URL(await consent(url, { subject })).searchParams.get('code') ?? ''
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...client,
      grant_type: 'authorization_code',
      redirect_uri: redirectUri,
      code,
      code_verifier: verifier,
    }),
  })
  if (!answer.ok) throw new Error(`no login at the practice server: ${answer.status}`)
  const { access_token, refresh_token, expires_in } = (await answer.json()) as Record<string, unknown>
  return {
    access_token: String(access_token),
    refresh_token: String(refresh_token),
    expires_at: Date.now() / 1000 + Number(expires_in),
  }
}
