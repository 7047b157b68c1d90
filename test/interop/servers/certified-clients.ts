// Clients that a TLS connection authenticates (RFC 8705), at oidc-provider, and who only says to be one.

import { X509Certificate } from 'node:crypto'
import {
  certificateAuthority,
  type IssuedCertificate,
  selfSigned,
  signedBy,
} from '../../../library/test/oauth/certificate.ts'
import { redirectUri } from '../../oidc-provider/clients.ts'
import type { RegisteredClient } from './real-server.ts'

const authority = certificateAuthority()
const mine = signedBy(authority, 'client.example')
const selfMade = selfSigned('client.example')
const server = selfSigned('127.0.0.1')

/** Of its listener. */
export const listenerCertificate = { ...server, ca: authority.cert }

const everything = {
  redirect_uris: [redirectUri],
  response_types: ['code'],
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  tls_client_certificate_bound_access_tokens: true,
}

/** With the certificate of `selfMade` as a key, RFC 8705 section 2.2.2. */
function keyOf({ cert }: IssuedCertificate): object {
  const { publicKey, raw } = new X509Certificate(cert)
  const jwk = publicKey.export({ format: 'jwk' })
  return { ...jwk, kid: 'self-made', alg: 'ES256', use: 'sig', x5c: [raw.toString('base64')] }
}

/** As they are registered there. */
export const certifiedRegistrations: readonly object[] = [
  {
    client_id: 'certified',
    token_endpoint_auth_method: 'tls_client_auth',
    tls_client_auth_san_dns: 'client.example',
    ...everything,
  },
  {
    client_id: 'self-certified',
    token_endpoint_auth_method: 'self_signed_tls_client_auth',
    jwks: { keys: [keyOf(selfMade)] },
    ...everything,
  },
]

const showing =
  (clientId: string, clientAuthentication: 'tls_client_auth' | 'self_signed_tls_client_auth') =>
  ({ cert, key }: IssuedCertificate): RegisteredClient & { clientCertificate: object } => ({
    clientId,
    clientAuthentication,
    clientCertificate: { certificate: cert, key },
  })

const certified = showing('certified', 'tls_client_auth')
const selfCertified = showing('self-certified', 'self_signed_tls_client_auth')

export const certifiedClients = {
  tls_client_auth: certified(mine),
  self_signed_tls_client_auth: selfCertified(selfMade),
}

/** Another name from the same authority, the name from another authority or by itself; for a registered certificate any other. */
export const impostors = {
  tls_client_auth: [
    certified(signedBy(authority, 'other.example')),
    certified(signedBy(certificateAuthority(), 'client.example')),
    certified(selfMade),
  ],
  self_signed_tls_client_auth: [selfCertified(selfSigned('client.example')), selfCertified(mine)],
}
