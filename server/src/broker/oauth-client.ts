import type { ApiKey } from 'evertoken'
import type { ApiKeys } from './api-key.ts'
import { OAuthRefusal } from './oauth-error.ts'
import type { OAuthForm } from './oauth-form.ts'

/** RFC 8693 section 2.1. */
export const tokenExchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
/** RFC 8693 section 3: what a subject token is here, and what comes out. */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'

interface PresentedClient {
  readonly id: string
  readonly secret: string
}

/**
 * Who calls the token endpoint: a caller's API key is its client secret, and the id in the key (`evt_ID_…`) its client id. In a
 * token exchange the key may come as the subject token alone.
 *
 * @throws OAuthRefusal `invalid_client`, the same whatever was wrong; `invalid_request` for two ways at once or a subject token that
 *   is no API key.
 */
export async function callerOf(
  keys: ApiKeys,
  authorization: string | undefined,
  form: OAuthForm,
): Promise<ApiKey> {
  const presented = presentedClient(authorization, form)
  const client = presented === undefined ? undefined : await verified(keys, presented)
  if (form.get('grant_type')?.[0] === tokenExchange) return subjectOf(keys, form, client)
  if (client === undefined) throw unauthenticated()
  return client
}

/** RFC 6749 section 2.3.1: in the header, or in the form, and never in both. */
function presentedClient(authorization: string | undefined, form: OAuthForm): PresentedClient | undefined {
  const id = form.get('client_id')?.[0]
  const secret = form.get('client_secret')?.[0]
  if (authorization === undefined) {
    if (secret === undefined) return undefined
    return { id: id ?? '', secret }
  }
  if (secret !== undefined)
    throw new OAuthRefusal('invalid_request', 'the client authenticates in two ways at once')
  const basic = basicCredentials(authorization)
  if (basic === undefined || (id !== undefined && id !== basic.id)) throw unauthenticated()
  return basic
}

const scheme = /^basic +([A-Za-z0-9+/]+={0,2})$/i

/** Each half is encoded as in a form, before the colon joins them. */
function basicCredentials(authorization: string): PresentedClient | undefined {
  const encoded = scheme.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('latin1')
  const colon = text.indexOf(':')
  if (colon < 0) return undefined
  try {
    return { id: formDecoded(text.slice(0, colon)), secret: formDecoded(text.slice(colon + 1)) }
  } catch {
    return undefined
  }
}

const formDecoded = (text: string): string => decodeURIComponent(text.replaceAll('+', ' '))

async function verified(keys: ApiKeys, { id, secret }: PresentedClient): Promise<ApiKey> {
  const key = await keys.verify(secret)
  if (key === undefined || key.id !== id) throw unauthenticated()
  return key
}

async function subjectOf(keys: ApiKeys, form: OAuthForm, client: ApiKey | undefined): Promise<ApiKey> {
  if (form.get('subject_token_type')?.[0] !== accessTokenType)
    throw new OAuthRefusal('invalid_request', `subject_token_type must be ${accessTokenType}`)
  const key = await keys.verify(form.get('subject_token')?.[0] ?? '')
  if (key === undefined || (client !== undefined && client.id !== key.id))
    throw new OAuthRefusal('invalid_request', 'the subject_token is no API key of this caller')
  return key
}

const unauthenticated = (): OAuthRefusal =>
  new OAuthRefusal(
    'invalid_client',
    'this client is not known: the client secret is an API key (evt_ID_...), and the client id the ID in it',
  )
