import * as oauth from 'oauth4webapi'
import { EvertokenError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import type { AssertionAudience, ClientRegistration, ServerMetadata } from './client.ts'
import { assertionLifetime, dialectAssertion } from './client-assertion.ts'
import { readClientAssertion } from './client-assertion-file.ts'
import { randomText } from './random-text.ts'
import { importSigningKey } from './signing-key.ts'
import type { Wire } from './transport.ts'

/**
 * How this client proves itself, as the function that oauth4webapi calls on a request before it is sent (RFC 6749
 * section 2.3, RFC 7523 section 2.2).
 *
 * @throws EvertokenError `invalid_configuration` when a key cannot be read, `key_file_unreadable` when a file with an
 *   assertion cannot.
 */
export async function clientAuthentication(
  server: ServerMetadata,
  client: ClientRegistration,
  wire: Pick<Wire, 'now' | 'random'>,
): Promise<oauth.ClientAuth> {
  const { authentication } = client
  switch (authentication.method) {
    case 'none':
      return client.clientId === '' ? () => {} : oauth.None()
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      // RFC 8705 section 2: the connection proves it, and the request says who is meant.
      return oauth.TlsClientAuth()
    case 'client_secret_basic':
      return basic(client.clientId, authentication.secret.reveal())
    case 'client_secret_post':
      return oauth.ClientSecretPost(authentication.secret.reveal())
    case 'client_secret_jwt':
      return oauth.ClientSecretJwt(authentication.secret.reveal(), {
        [oauth.modifyAssertion]: shape(audienceOf(server, authentication.audience), wire),
      })
    case 'private_key_jwt': {
      if ('assertionFile' in authentication)
        return assertion(client.clientId, await readClientAssertion(authentication.assertionFile))
      if (client.dialect?.client_assertion !== undefined) {
        const { audience: asked } = authentication
        const audience = { isAsked: asked !== undefined, usual: audienceOf(server, asked) }
        return dialectAssertion(client, authentication.key, audience, wire)
      }
      const { algorithm, keyId } = authentication.key
      const key = await importSigningKey(authentication.key)
      if (key instanceof Uint8Array)
        throw new EvertokenError('invalid_configuration', 'private_key_jwt needs a private key, not HS256', {
          advice: 'Use client_secret_jwt to sign with the client secret.',
        })
      return oauth.PrivateKeyJwt(keyId === undefined ? key : { key, kid: keyId }, {
        [oauth.modifyAssertion]: shape(audienceOf(server, authentication.audience), wire, algorithm),
      })
    }
    default: {
      const never: never = authentication
      throw new TypeError(`unknown client authentication ${(never as { method: string }).method}`)
    }
  }
}

/**
 * Without a word the issuer alone, as the draft of RFC 7523bis wants it: a server that is not the one meant can then do
 * nothing with the assertion. The token endpoint (RFC 7523 section 3) where no issuer is known.
 */
function audienceOf(server: ServerMetadata, asked?: AssertionAudience): AssertionAudience {
  if (asked === undefined) return server.issuer ?? server.tokenEndpoint
  const values = [...new Set([asked].flat().map((value) => audienceValue(server, value)))]
  return values.length === 1 ? (values[0] as string) : values
}

function audienceValue(server: ServerMetadata, value: string): string {
  if (value === 'token_endpoint') return server.tokenEndpoint
  if (value !== 'issuer') return value
  if (server.issuer === undefined)
    throw new EvertokenError(
      'invalid_configuration',
      'the client assertion is for the issuer, and none is known',
    )
  return server.issuer
}

/** Puts our clock and randomness where oauth4webapi reads the machine's. */
function shape(audience: AssertionAudience, wire: Pick<Wire, 'now' | 'random'>, algorithm?: string) {
  return (header: Record<string, unknown>, payload: Record<string, unknown>): void => {
    const issuedAt = Math.floor(wire.now() / 1000)
    payload.aud = audience
    payload.iat = issuedAt
    payload.nbf = issuedAt
    payload.exp = issuedAt + assertionLifetime
    payload.jti = randomText(wire.random)
    // oauth4webapi names Ed25519 as RFC 9864 does, which few servers know yet.
    if (algorithm !== undefined) header.alg = algorithm
  }
}

/**
 * RFC 7523 section 2.2, with a JWT that somebody else has signed. Its `sub` is what the platform calls this workload, so the
 * client is named beside it (RFC 7521 section 4.2).
 */
function assertion(clientId: string, jwt: Secret): oauth.ClientAuth {
  return (_server, _client, body) => {
    if (clientId !== '') body.set('client_id', clientId)
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    body.set('client_assertion', jwt.reveal())
  }
}

/**
 * RFC 6749 section 2.3.1. oauth4webapi escapes `-`, `.`, `_` and `*` too, which is allowed, but servers that forget to
 * decode then refuse every client id that is a UUID. The plain form encoding leaves those four alone.
 */
function basic(clientId: string, secret: string): oauth.ClientAuth {
  const credentials = btoa(`${formEncode(clientId)}:${formEncode(secret)}`)
  return (_server, _client, _body, headers) => {
    headers.set('authorization', `Basic ${credentials}`)
  }
}

function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
