// What a client can do at a server, a row each; what shows it stands in the files of checks beside this one.

import {
  authenticates,
  authenticatesNot,
  checkJwtBearer,
  job,
  jwtBearerUnknown,
  publishes,
  publishesNot,
  tokenExchangeUnknown,
} from './client-checks.ts'
import type { Check } from './keeper-at-server.ts'
import {
  checkCode,
  checkDevice,
  checkIssuer,
  checkPushed,
  checkRefresh,
  sendsNoIssuer,
} from './login-checks.ts'
import type { Capability } from './real-server.ts'
import {
  checkCertificateBound,
  checkDpop,
  checkDpopNonce,
  ignoresProofs,
} from './sender-constrained-checks.ts'
import {
  asksWithoutHarm,
  checkIntrospection,
  checkResource,
  checkRevocation,
  checkUserinfo,
  ignoresResource,
} from './token-checks.ts'

export interface CapabilityRow {
  readonly title: string
  /** Absent where no server here can. */
  readonly check?: Check
  /** Shows that a server lacks it, where that can be seen. */
  readonly absent?: Check
}

/** The checks, in the order of the table. Whoever builds what is missing adds its check here, and takes it out of `lacks`. */
export const capabilities: Readonly<Record<Capability, CapabilityRow>> = {
  openid_discovery: {
    title: 'metadata by OpenID Connect Discovery',
    check: publishes('openid-configuration'),
    absent: publishesNot('openid-configuration'),
  },
  server_metadata: {
    title: 'metadata by RFC 8414',
    check: publishes('oauth-authorization-server'),
    absent: publishesNot('oauth-authorization-server'),
  },
  client_credentials: { title: 'client credentials', check: (server) => job(server, server.jobClient) },
  authorization_code: { title: 'authorization code with PKCE (RFC 7636)', check: checkCode },
  refresh: { title: 'refresh, three in a row', check: checkRefresh },
  issuer_in_callback: {
    title: '`iss` beside the code (RFC 9207)',
    check: checkIssuer,
    absent: sendsNoIssuer,
  },
  pushed_authorization: { title: 'pushed authorization requests (RFC 9126)', check: checkPushed },
  device_authorization: { title: 'device authorization (RFC 8628)', check: checkDevice },
  client_secret_basic: { title: '`client_secret_basic`', check: authenticates('client_secret_basic') },
  client_secret_post: { title: '`client_secret_post`', check: authenticates('client_secret_post') },
  client_secret_jwt: {
    title: '`client_secret_jwt` (RFC 7523)',
    check: authenticates('client_secret_jwt'),
    absent: authenticatesNot('client_secret_jwt'),
  },
  private_key_jwt: {
    title: '`private_key_jwt` (RFC 7523)',
    check: authenticates('private_key_jwt'),
    absent: authenticatesNot('private_key_jwt'),
  },
  tls_client_auth: { title: '`tls_client_auth` (RFC 8705)', check: authenticates('tls_client_auth') },
  self_signed_tls_client_auth: {
    title: '`self_signed_tls_client_auth` (RFC 8705)',
    check: authenticates('self_signed_tls_client_auth'),
  },
  introspection: { title: 'introspection (RFC 7662)', check: checkIntrospection },
  introspection_harmless: {
    title: 'introspection of a live refresh token, and the login goes on',
    check: asksWithoutHarm,
  },
  revocation: { title: 'revocation of both tokens (RFC 7009)', check: checkRevocation },
  userinfo: { title: 'userinfo of OpenID Connect', check: checkUserinfo },
  resource_indicators: {
    title: 'resource indicators (RFC 8707)',
    check: checkResource,
    absent: ignoresResource,
  },
  jwt_bearer: { title: 'JWT bearer (RFC 7523)', check: checkJwtBearer, absent: jwtBearerUnknown },
  token_exchange: { title: 'token exchange (RFC 8693)', absent: tokenExchangeUnknown },
  dpop: { title: 'DPoP (RFC 9449)', check: checkDpop, absent: ignoresProofs },
  dpop_nonce: { title: 'DPoP with a nonce of the server', check: checkDpopNonce },
  certificate_bound: { title: 'tokens bound to a certificate (RFC 8705)', check: checkCertificateBound },
}
