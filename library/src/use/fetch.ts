// `evertoken/fetch`: what runs on fetch alone, for browsers, workers and edge runtimes as well as for Node.

export {
  ConfigurationError,
  type ErrorCode,
  EvertokenError,
  errorCodes,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  ReauthorizationRequiredError,
} from '../errors.ts'
export {
  type ClientCredentialsOptions,
  clientCredentials,
  type GrantDefinition,
  type JwtBearerOptions,
  jwtBearer,
  type RefreshTokenOptions,
  refreshToken,
} from '../grants/definition.ts'
export {
  AccessToken,
  type TokenPresentation,
  type TokenProof,
  type TokenRequest,
  type TokenSource,
} from '../grants/token.ts'
export type { Transport, WireRequest, WireResponse } from '../oauth/transport.ts'
export { Secret } from '../secret.ts'
export { authorizationHeaders, type RequestToAuthorize } from './authorization.ts'
export {
  type AuthorizedFetch,
  type AuthorizedFetchOptions,
  type AuthorizedRequestInit,
  authorizedFetch,
  withoutToken,
} from './authorized-fetch.ts'
export { type BrokerSourceOptions, brokerSource } from './broker-source.ts'
export { type FetchTransportOptions, fetchTransport } from './fetch-transport.ts'
export type { IssuedToken } from './issued-token.ts'
export { type LightTokenSourceOptions, tokenSource } from './light-token-source.ts'
export {
  type PeekableTokenSource,
  type RefreshingSourceOptions,
  refreshingSource,
  type WantedToken,
} from './refreshing-source.ts'
export type { SavedTokens } from './saved-tokens.ts'
export { cachedSource, narrowedSource, staticSource } from './source-wrappers.ts'
