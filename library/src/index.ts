export { type Clock, systemClock } from './clock.ts'
export {
  ConfigurationError,
  type ErrorCode,
  EvertokenError,
  errorCodes,
  InvalidGrantError,
  InvalidScopeError,
  ProviderError,
  ReauthorizationRequiredError,
} from './errors.ts'
export type { AssertionOptions } from './grants/assertion-options.ts'
export type { Circuit, CircuitTiming } from './grants/circuit.ts'
export type { CircuitNews } from './grants/circuits.ts'
export type { ConsentOptions, ConsentRequest } from './grants/consent.ts'
export {
  type AuthorizationCodeOptions,
  authorizationCode,
  type ClientAuthenticationMethod,
  type ClientCredentialsOptions,
  type ClientOptions,
  clientCredentials,
  type GrantDefinition,
  type GrantOptions,
  type JwtBearerOptions,
  jwtBearer,
  type PasswordCredentialsOptions,
  passwordCredentials,
  type RefreshTokenOptions,
  refreshToken,
  type SigningKeyOptions,
} from './grants/definition.ts'
export type { RejectionReport } from './grants/demand.ts'
export type { DeviceConsent, DeviceConsentOptions } from './grants/device-consent.ts'
export type { KeeperEvent, KeeperEvents } from './grants/events.ts'
export {
  type Candidate,
  type GrantRecord,
  type GrantState,
  type GrantType,
  grantTypes,
  type HeldRefreshToken,
  type Revocation,
  type TokenRevocation,
  type TokenRow,
  type ToldTokens,
  type UpstreamRevocation,
} from './grants/grant.ts'
export { grantIdPattern, isGrantId } from './grants/grant-id.ts'
export { Keeper, type KeeperOptions } from './grants/keeper.ts'
export type { ReplayClass } from './grants/lifetime-facts.ts'
export type { LifetimeOptions } from './grants/lifetime-options.ts'
export { type CrowdedLogins, crowdedLogins, type SharedLoginLimit } from './grants/login-limit.ts'
export type { Notice, NoticeKind } from './grants/notice.ts'
export type { LoginCredentials } from './grants/password-login.ts'
export { checkProfile } from './grants/profile-check.ts'
export { variablePattern } from './grants/profile-variables.ts'
export type { RegistrationOptions } from './grants/registration.ts'
export type { RemovalOptions } from './grants/removal.ts'
export type { Replacement } from './grants/replacement.ts'
export { type RequestedTokenOptions, requestedToken } from './grants/requested-token.ts'
export type {
  ApiKey,
  GrantStore,
  SpoolRegistration,
  StoredNotice,
  StoreOpener,
} from './grants/store.ts'
export type { GrantSummary } from './grants/summary.ts'
export { defaultTiming, type Timing } from './grants/timing.ts'
export {
  AccessToken,
  type TokenPresentation,
  type TokenProof,
  type TokenRequest,
  type TokenSource,
} from './grants/token.ts'
export { type TokenExchangeOptions, tokenExchange } from './grants/token-exchange.ts'
export type { Validation, ValidationMethod } from './grants/validation.ts'
export type { ServerMetadata } from './oauth/client.ts'
export { discover } from './oauth/discovery.ts'
export { nodeTransport } from './oauth/node-transport.ts'
export type { Transport, Wire, WireCertificate, WireRequest, WireResponse } from './oauth/transport.ts'
export { loggedTransport } from './oauth/wire-log.ts'
export type * from './providers/profile.ts'
export { Secret } from './secret.ts'
export { type MemoryStoreOptions, memoryStore } from './stores/memory.ts'
export { authorizationHeaders, type RequestToAuthorize } from './use/authorization.ts'
export {
  type AuthorizedFetch,
  type AuthorizedFetchOptions,
  type AuthorizedRequestInit,
  authorizedFetch,
  withoutToken,
} from './use/authorized-fetch.ts'
export { type BrokerRefusal, brokerRefusal } from './use/broker-refusal.ts'
export { type BrokerSourceOptions, brokerSource } from './use/broker-source.ts'
export { type CommandSourceOptions, commandSource } from './use/command-source.ts'
export type { IssuedToken } from './use/issued-token.ts'
export {
  type PeekableTokenSource,
  type RefreshingSourceOptions,
  refreshingSource,
  type WantedToken,
} from './use/refreshing-source.ts'
export type { SavedTokens } from './use/saved-tokens.ts'
export { cachedSource, narrowedSource, staticSource } from './use/source-wrappers.ts'
export {
  type RefreshingTokenSource,
  type TokenSourceOptions,
  tokenSource,
} from './use/token-source.ts'
export { Worker, type WorkerOptions } from './worker/worker.ts'
