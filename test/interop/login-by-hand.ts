// A login without evertoken: for asking a server what it does before a keeper is judged by it.

import { createHash } from 'node:crypto'
import { consentByForms } from './person.ts'

/** A server and a confidential client of it. */
export interface Registration {
  readonly authorizationUrl: string
  readonly tokenUrl: string
  readonly clientId: string
  readonly clientSecret: string
}

export const redirectUri = 'http://127.0.0.1:49152/callback'

export interface Pair {
  readonly refresh: string
  readonly access: string
}

/** The answer of the token endpoint: its status, and the tokens or the error in it. */
export interface HandedOut extends Pair {
  readonly status: number
  readonly error?: string | undefined
}

/** A login; `answers` are what the person fills in. */
export async function tokensByHand(
  server: Registration,
  scope: string,
  answers: Readonly<Record<string, string>>,
): Promise<HandedOut> {
  const verifier = 'v'.repeat(43)
  const url = new URL(server.authorizationUrl)
  const asked = {
    response_type: 'code',
    client_id: server.clientId,
    redirect_uri: redirectUri,
    scope,
    state: 'by-hand',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value)
  const code = (await consentByForms(url.href, redirectUri, answers)).searchParams.get('code') ?? ''
  return post(server, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
  })
}

export const refreshByHand = (server: Registration, token: string): Promise<HandedOut> =>
  post(server, { grant_type: 'refresh_token', refresh_token: token })

/** What an API says to an access token. */
export async function statusOf(resource: string, accessToken: string): Promise<number> {
  const answer = await fetch(resource, { headers: { authorization: `Bearer ${accessToken}` } })
  await answer.arrayBuffer()
  return answer.status
}

async function post(server: Registration, form: Record<string, string>): Promise<HandedOut> {
  const { tokenUrl, clientId, clientSecret } = server
  const answer = await fetch(tokenUrl, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams(form),
  })
  const text = await answer.text()
  const json = text.startsWith('{') ? (JSON.parse(text) as Record<string, string>) : {}
  const { refresh_token = '', access_token = '', error } = json
  return { status: answer.status, refresh: refresh_token, access: access_token, error }
}
