import { createHash } from 'node:crypto'
import { consent } from '../src/practice-server.ts'

type Json = Record<string, unknown>

/** Either kind of practice server. */
export interface Target {
  readonly issuer: string
}

export interface Got {
  status: number
  headers: Headers
  json: Json
}

export async function post(
  server: Target,
  form: Record<string, string> | URLSearchParams,
  headers: Record<string, string> = {},
  path = '/token',
): Promise<Got> {
  return read(await fetch(server.issuer + path, { method: 'POST', headers, body: new URLSearchParams(form) }))
}

/** Asks the protected resource. */
export async function asks(server: Target, accessToken: unknown): Promise<Got> {
  return read(
    await fetch(`${server.issuer}/api/whoami`, { headers: { authorization: `Bearer ${accessToken}` } }),
  )
}

async function read(answer: Response): Promise<Got> {
  const text = await answer.text()
  return {
    status: answer.status,
    headers: answer.headers,
    json: text === '' ? {} : (JSON.parse(text) as Json),
  }
}

export function basic(clientId: string, secret: string): { authorization: string } {
  const encode = (text: string): string => new URLSearchParams({ _: text }).toString().slice(2)
  const credentials = Buffer.from(`${encode(clientId)}:${encode(secret)}`).toString('base64')
  return { authorization: `Basic ${credentials}` }
}

export const verifier = 'v'.repeat(43)
export const redirectUri = 'http://127.0.0.1:49152/callback'

/** An authorization URL of `practice-app`; a parameter that is `undefined` is left out. */
export function authorizationUrl(server: Target, change: Record<string, string | undefined> = {}): string {
  const parameters = {
    response_type: 'code',
    client_id: 'practice-app',
    redirect_uri: redirectUri,
    scope: 'read write',
    state: 'state-1',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...change,
  }
  const url = new URL('/authorize', server.issuer)
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined) url.searchParams.set(name, value)
  return url.href
}

/** The form that exchanges a code of `practice-app`. */
export async function codeForm(server: Target, subject?: string): Promise<Record<string, string>> {
  const returned = new URL(await consent(authorizationUrl(server), { subject }))
  return {
    grant_type: 'authorization_code',
    client_id: 'practice-app',
    code: returned.searchParams.get('code') ?? '',
    redirect_uri: redirectUri,
    code_verifier: verifier,
  }
}

export interface Tokens {
  readonly access: string
  readonly refresh: string
}

/** A fresh login of `practice-app`. */
export async function login(server: Target, subject?: string): Promise<Tokens> {
  return tokensOf(await post(server, await codeForm(server, subject)))
}

/** @param sender stands in the truth log */
export function refresh(server: Target, refreshToken: string, scope?: string, sender?: string): Promise<Got> {
  const form = { grant_type: 'refresh_token', client_id: 'practice-app', refresh_token: refreshToken }
  return post(
    server,
    scope === undefined ? form : { ...form, scope },
    sender === undefined ? {} : { 'x-practice-sender': sender },
  )
}

export function tokensOf({ json }: Got): Tokens {
  return { access: String(json.access_token), refresh: String(json.refresh_token) }
}
