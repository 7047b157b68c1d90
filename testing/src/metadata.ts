import { type Answer, jsonAnswer } from './answer.ts'
import type { Exchange, Practice } from './exchange.ts'
import { practiceGrantTypes } from './practice-clients.ts'
import { proofAlgorithms } from './proof-verification.ts'

/** RFC 8414 section 2; the same document is given under the OpenID name, though the server issues no ID tokens. */
export function metadata(_exchange: Exchange, practice: Practice): Answer {
  const { issuer, tokenEndpoint, options } = practice
  const algorithms = ['HS256', 'RS256', 'ES256', 'EdDSA']
  const methods = ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt']
  return jsonAnswer(200, {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: tokenEndpoint,
    device_authorization_endpoint: `${issuer}/device_authorization`,
    pushed_authorization_request_endpoint: `${issuer}/par`,
    require_pushed_authorization_requests: options.requirePushedAuthorization,
    introspection_endpoint: `${issuer}/introspect`,
    revocation_endpoint: `${issuer}/revoke`,
    userinfo_endpoint: `${issuer}/userinfo`,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: practiceGrantTypes,
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', ...methods],
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    introspection_endpoint_auth_methods_supported: ['none', ...methods],
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    revocation_endpoint_auth_methods_supported: ['none', ...methods],
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
    dpop_signing_alg_values_supported: proofAlgorithms,
    authorization_response_iss_parameter_supported: true,
  })
}
