import type { ExchangedToken } from '../oauth/token-exchange.ts'
import type { Secret } from '../secret.ts'
import { type ClientOptions, type GrantDefinition, type GrantOptions, resolve } from './definition.ts'
import { checkedPath, checkedSecret, invalid } from './option-check.ts'
import { withProfile } from './profile-options.ts'

/** RFC 8693. Types are URIs, or the last part of one of section 3: `access_token`, `jwt`, `id_token`, `saml2`, … */
export type TokenExchangeOptions = ClientOptions &
  GrantOptions & {
    /** On whose behalf; either this or `subjectTokenFile`. */
    subjectToken?: string | Secret | undefined
    /** The whole path of a file in which somebody else renews it; read for every request. At most 64 KiB. */
    subjectTokenFile?: string | undefined
    subjectTokenType: string
    /** Who acts for the subject, where that is somebody else; this or `actorTokenFile`. */
    actorToken?: string | Secret | undefined
    actorTokenFile?: string | undefined
    actorTokenType?: string | undefined
    /** Default: what the provider gives by itself, mostly an access token. */
    requestedTokenType?: string | undefined
    /** Names of the services for which the new token is; addresses stand in `resource`. */
    audience?: string | readonly string[] | undefined
  }

/**
 * A token for another token (RFC 8693), minted anew before each expiry from the subject as it is then. No refresh token is kept.
 *
 * @throws EvertokenError `invalid_configuration`, `empty_secret`.
 */
export function tokenExchange(options: TokenExchangeOptions): GrantDefinition {
  const subject = exchanged('subjectToken', options)
  if (subject === undefined)
    throw invalid(
      'neither subjectToken nor subjectTokenFile is given',
      'Give the token, or the file that it is renewed in.',
    )
  const { audience = [], requestedTokenType } = options
  const exchange = Object.freeze({
    subject,
    actor: exchanged('actorToken', options),
    requestedTokenType:
      requestedTokenType === undefined ? undefined : typeUri(requestedTokenType, 'requestedTokenType'),
    audience: Object.freeze([audience].flat().map(checkedAudience)),
  })
  return resolve('token_exchange', withProfile('token_exchange', options), { exchange })
}

function exchanged(
  name: 'subjectToken' | 'actorToken',
  options: TokenExchangeOptions,
): ExchangedToken | undefined {
  const { [name]: token, [`${name}File` as const]: file, [`${name}Type` as const]: type } = options
  if (token !== undefined && file !== undefined)
    throw invalid(`${name} and ${name}File are both given`, 'Keep one of the two.')
  if (token === undefined && file === undefined) {
    if (name === 'actorToken' && type !== undefined)
      throw invalid(`${name}Type has no effect without ${name} or ${name}File`)
    return undefined
  }
  if (type === undefined)
    throw invalid(
      `${name}Type is missing`,
      'Say what the token is: access_token, jwt, id_token, saml2, or the URI of another type (RFC 8693 section 3).',
    )
  const uri = typeUri(type, `${name}Type`)
  return file === undefined
    ? Object.freeze({ type: uri, token: checkedSecret(token as string | Secret, name) })
    : Object.freeze({ type: uri, file: checkedPath(file, `${name}File`) })
}

/** RFC 8693 section 3. */
const registered = 'urn:ietf:params:oauth:token-type:'
const registeredTypes = ['access_token', 'refresh_token', 'id_token', 'saml1', 'saml2', 'jwt']

function typeUri(type: string, what: string): string {
  if (registeredTypes.includes(type)) return `${registered}${type}`
  if (typeof type === 'string' && /^[a-z][a-z0-9+.-]*:[\x21-\x7e]{1,2000}$/i.test(type)) return type
  throw invalid(
    `${what} is no type of token`,
    `Write ${registeredTypes.join(', ')}, or the URI of another type.`,
  )
}

function checkedAudience(value: string): string {
  if (typeof value === 'string' && /^\S{1,2048}$/.test(value)) return value
  throw invalid('audience is empty, too long, or has white space in it')
}
