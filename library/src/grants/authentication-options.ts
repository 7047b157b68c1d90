import type { AssertionAudience, ClientAuthentication, ClientSecrets, SigningKey } from '../oauth/client.ts'
import type { ProviderProfile } from '../providers/profile.ts'
import type { Secret } from '../secret.ts'
import type { ClientAuthenticationMethod, ClientOptions, SigningKeyOptions } from './definition.ts'
import { checkedPath, checkedSecret, invalid } from './option-check.ts'

/**
 * How a client proves itself, from what users wrote.
 *
 * @throws EvertokenError `invalid_configuration`, `empty_secret`.
 */
export function resolveAuthentication(options: ClientOptions): ClientAuthentication {
  const { clientSecret, signingKey: key } = options
  if (options.clientAssertionFile !== undefined)
    return assertedByPlatform(options.clientAssertionFile, options)
  const audience = checkedAudience(options)
  const method: ClientAuthenticationMethod =
    options.clientAuthentication ??
    (key !== undefined
      ? 'private_key_jwt'
      : clientSecret !== undefined
        ? 'client_secret_basic'
        : hasCertificate(options) && isNamed(options)
          ? 'tls_client_auth'
          : 'none')
  switch (method) {
    case 'none':
      return { method }
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      if (!hasCertificate(options))
        throw invalid(
          `${method} needs a clientCertificate`,
          'Give the certificate and its key, as PEM or by files.',
        )
      if (!isNamed(options)) throw invalid(`clientId is missing, by which ${method} names the client`)
      if (clientSecret !== undefined || key !== undefined)
        throw invalid(
          `${clientSecret === undefined ? 'signingKey' : 'clientSecret'} has no effect with ${method}`,
        )
      return { method }
    case 'client_secret_basic':
    case 'client_secret_post':
    case 'client_secret_jwt': {
      if (clientSecret === undefined) throw invalid(`${method} needs a clientSecret`)
      const held = checkedSecrets(clientSecret)
      return method === 'client_secret_jwt' ? { method, ...held, audience } : { method, ...held }
    }
    case 'private_key_jwt':
      if (key === undefined) throw invalid('private_key_jwt needs a signingKey')
      checkAlgorithm(key, options.profile)
      return { method, key: signingKey(key, 'signingKey'), audience }
    default:
      throw invalid(`clientAuthentication ${String(method satisfies never)} is not known`)
  }
}

function checkAlgorithm({ algorithm }: SigningKeyOptions, profile: ProviderProfile | undefined): void {
  const wanted = profile?.client_assertion?.algorithm
  if (wanted !== undefined && wanted !== algorithm)
    throw invalid(
      `signingKey.algorithm is ${algorithm}, and profile ${profile?.id} wants ${wanted}`,
      'Use the key that the provider made or knows.',
    )
}

const hasCertificate = ({ clientCertificate, clientCertificateFile }: ClientOptions): boolean =>
  (clientCertificate ?? clientCertificateFile) !== undefined

const isNamed = ({ clientId = '' }: ClientOptions): boolean => clientId !== ''

/** A key, read when it first signs. */
export const signingKey = ({ algorithm, key, keyId }: SigningKeyOptions, what: string): SigningKey =>
  Object.freeze({ algorithm, key: checkedSecret(key, `${what}.key`), keyId })

/** No provider keeps more secrets of one client at a time, and each more would be one more refusal. */
const mostSecrets = 2

/** @throws EvertokenError `invalid_configuration`, `empty_secret`. */
export function checkedSecrets(given: NonNullable<ClientOptions['clientSecret']>): ClientSecrets {
  if (!Array.isArray(given)) return { secret: checkedSecret(given as string | Secret, 'clientSecret') }
  if (given.length === 0 || given.length > mostSecrets)
    throw invalid(
      `clientSecret is a list of ${given.length}, not of one or two`,
      'Keep the secret in use, and the one that takes its place.',
    )
  const [secret, second] = given.map((one, index) => checkedSecret(one, `clientSecret[${index}]`)) as [
    Secret,
    Secret?,
  ]
  // One secret in two places is a rotation that has not begun or is over.
  const secondSecret = second?.reveal() === secret.reveal() ? undefined : second
  return { secret, ...(secondSecret === undefined ? {} : { secondSecret }) }
}

const mostAudiences = 8
/** RFC 7519 section 2 (StringOrURI), and no more of it than a server can want. */
const audienceText = /^\S{1,2048}$/

function checkedAudience({
  clientAssertionAudience: given,
  issuer,
}: ClientOptions): AssertionAudience | undefined {
  if (given === undefined) return undefined
  const values: readonly string[] = [given].flat()
  if (values.length === 0 || values.length > mostAudiences)
    throw invalid(`clientAssertionAudience is a list of ${values.length}, not of one to ${mostAudiences}`)
  for (const value of values) {
    if (typeof value !== 'string') throw new TypeError('clientAssertionAudience must be a string or a list')
    if (!audienceText.test(value))
      throw invalid(
        'clientAssertionAudience is empty, too long, or has white space in it',
        'Write issuer, token_endpoint, or what the provider wants to read in aud.',
      )
    if (value === 'issuer' && issuer === undefined)
      throw invalid('clientAssertionAudience is the issuer, and no issuer is given')
  }
  return typeof given === 'string' ? given : Object.freeze([...given])
}

function assertedByPlatform(file: string, options: ClientOptions): ClientAuthentication {
  const rivals = ['clientSecret', 'signingKey', 'clientAssertionAudience'] as const
  const rival = rivals.find((name) => options[name] !== undefined)
  if (rival !== undefined)
    throw invalid(
      `${rival} has no effect with clientAssertionFile`,
      'The platform signs, and says for whom: keep one of the two.',
    )
  const { clientAuthentication: method = 'private_key_jwt' } = options
  if (method !== 'private_key_jwt')
    throw invalid(`clientAssertionFile has no effect with clientAuthentication ${String(method)}`)
  return { method, assertionFile: checkedPath(file, 'clientAssertionFile') }
}
