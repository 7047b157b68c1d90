/** How a client may authenticate (RFC 6749 section 2.3, RFC 7523, RFC 8705), by the names of RFC 7591. */
export const clientAuthenticationMethods = [
  'none',
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
] as const
