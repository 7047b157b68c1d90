// What every entry gives, as compilers see it: `npm run check` reads this file, and a type that changed fails there.

import { describe, expectTypeOf, test } from 'vitest'
import type * as library from '../src/index.ts'
import type * as measurement from '../src/measurement/measure.ts'
import type * as providers from '../src/providers/catalogue.ts'
import type * as postgres from '../src/stores/postgres/store.ts'
import type * as heldToken from '../src/stores/sqlite/held-token.ts'
import type * as sqlite from '../src/stores/sqlite/store.ts'
import type * as axios from '../src/use/axios.ts'
import type * as decorators from '../src/use/decorators.ts'
import type * as fetch from '../src/use/fetch.ts'
import type * as undici from '../src/use/undici.ts'

type Keeper = library.Keeper

describe('an entry gives these names and no others', () => {
  test('evertoken', () => {
    expectTypeOf<keyof typeof library>().toEqualTypeOf<
      | 'AccessToken'
      | 'ConfigurationError'
      | 'EvertokenError'
      | 'InvalidGrantError'
      | 'InvalidScopeError'
      | 'Keeper'
      | 'ProviderError'
      | 'ReauthorizationRequiredError'
      | 'Secret'
      | 'Worker'
      | 'authorizationCode'
      | 'authorizationHeaders'
      | 'authorizedFetch'
      | 'brokerRefusal'
      | 'brokerSource'
      | 'cachedSource'
      | 'checkProfile'
      | 'clientCredentials'
      | 'commandSource'
      | 'crowdedLogins'
      | 'defaultTiming'
      | 'discover'
      | 'errorCodes'
      | 'grantIdPattern'
      | 'grantTypes'
      | 'isGrantId'
      | 'jwtBearer'
      | 'loggedTransport'
      | 'memoryStore'
      | 'narrowedSource'
      | 'nodeTransport'
      | 'passwordCredentials'
      | 'refreshToken'
      | 'refreshingSource'
      | 'requestedToken'
      | 'staticSource'
      | 'systemClock'
      | 'tokenExchange'
      | 'tokenSource'
      | 'variablePattern'
      | 'withoutToken'
    >()
  })

  test('evertoken/fetch, most of them those of evertoken', () => {
    type Own = 'fetchTransport' | 'tokenSource'
    type Shared = Exclude<keyof typeof fetch, Own>
    expectTypeOf<Shared>().toEqualTypeOf<
      | 'AccessToken'
      | 'ConfigurationError'
      | 'EvertokenError'
      | 'InvalidGrantError'
      | 'InvalidScopeError'
      | 'ProviderError'
      | 'ReauthorizationRequiredError'
      | 'Secret'
      | 'authorizationHeaders'
      | 'authorizedFetch'
      | 'brokerSource'
      | 'cachedSource'
      | 'clientCredentials'
      | 'errorCodes'
      | 'jwtBearer'
      | 'narrowedSource'
      | 'refreshToken'
      | 'refreshingSource'
      | 'staticSource'
      | 'withoutToken'
    >()
    expectTypeOf<Pick<typeof fetch, Shared>>().toEqualTypeOf<Pick<typeof library, Shared>>()
    expectTypeOf<Exclude<keyof typeof fetch, Shared>>().toEqualTypeOf<Own>()
  })

  test('the others', () => {
    type Keys = 'newMasterKey' | 'readKeyFile' | 'writeKeyFile'
    expectTypeOf<keyof typeof sqlite>().toEqualTypeOf<'sqliteStore' | Keys>()
    expectTypeOf<keyof typeof postgres>().toEqualTypeOf<'postgresStore' | Keys>()
    expectTypeOf<keyof typeof heldToken>().toEqualTypeOf<'heldToken'>()
    expectTypeOf<keyof typeof axios>().toEqualTypeOf<'authorizeAxios' | 'leftAlone'>()
    expectTypeOf<keyof typeof decorators>().toEqualTypeOf<'freshToken' | 'presentToken' | 'withFreshToken'>()
    expectTypeOf<keyof typeof undici>().toEqualTypeOf<'authorizationInterceptor' | 'authorizedDispatcher'>()
    expectTypeOf<keyof typeof providers>().toEqualTypeOf<'catalogueIds' | 'catalogueProfile'>()
    expectTypeOf<keyof typeof measurement>().toEqualTypeOf<
      'consentedLogin' | 'loginsOfClient' | 'measureServer' | 'measuredLifetimes' | 'sandboxGrant'
    >()
  })
})

describe('an error', () => {
  test('is one of a tree, and its code one of a list', () => {
    expectTypeOf<library.ErrorCode>().toEqualTypeOf<(typeof library.errorCodes)[number]>()
    expectTypeOf<string>().not.toExtend<library.ErrorCode>()
    expectTypeOf<library.EvertokenError>().toExtend<Error>()
    expectTypeOf<library.EvertokenError['code']>().toEqualTypeOf<library.ErrorCode>()
    expectTypeOf<library.EvertokenError['grant' | 'advice']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<library.ProviderError>().toExtend<library.EvertokenError>()
    expectTypeOf<library.ProviderError['error' | 'errorDescription']>().toEqualTypeOf<string | undefined>()
    expectTypeOf<library.ProviderError['status' | 'retryAfter']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<library.InvalidGrantError>().toExtend<library.ProviderError>()
    expectTypeOf<library.InvalidScopeError>().toExtend<library.ProviderError>()
    expectTypeOf<library.ReauthorizationRequiredError>().toExtend<library.EvertokenError>()
    expectTypeOf<library.ReauthorizationRequiredError>().not.toExtend<library.ProviderError>()
    expectTypeOf<library.ConfigurationError['line']>().toEqualTypeOf<number | undefined>()
    expectTypeOf<typeof library.brokerRefusal>().returns.toEqualTypeOf<library.EvertokenError>()
  })
})

describe('a token', () => {
  test('is read and not written', () => {
    type Facts = Readonly<{
      value: string
      type: string
      expiresAt: number
      scope: readonly string[]
      generation: number
      metadata: Readonly<Record<string, unknown>>
      stale: boolean
    }>
    expectTypeOf<Pick<library.AccessToken, keyof Facts>>().toEqualTypeOf<Facts>()
    expectTypeOf<library.Secret['reveal']>().returns.toEqualTypeOf<string>()
  })

  test('is asked for as in the RFCs', () => {
    expectTypeOf<library.TokenRequest>().toEqualTypeOf<{
      minTtl?: number | undefined
      scope?: string | readonly string[] | undefined
      resource?: string | undefined
      signal?: AbortSignal | undefined
    }>()
    expectTypeOf<library.TokenSource['getToken']>()
      .parameter(0)
      .toEqualTypeOf<library.TokenRequest | undefined>()
    expectTypeOf<library.TokenSource['getToken']>().returns.resolves.toEqualTypeOf<library.AccessToken>()
    expectTypeOf<library.TokenSource['rejected']>().returns.resolves.toEqualTypeOf<library.AccessToken>()
  })
})

describe('a grant', () => {
  test('is defined by a function for each of its types', () => {
    type Definer =
      | typeof library.clientCredentials
      | typeof library.jwtBearer
      | typeof library.authorizationCode
      | typeof library.passwordCredentials
      | typeof library.refreshToken
      | typeof library.requestedToken
      | typeof library.tokenExchange
    expectTypeOf<ReturnType<Definer>>().toEqualTypeOf<library.GrantDefinition>()
    expectTypeOf<library.GrantDefinition['grantType']>().toEqualTypeOf<library.GrantType>()
    expectTypeOf<library.GrantType>().toEqualTypeOf<
      | 'client_credentials'
      | 'jwt_bearer'
      | 'authorization_code'
      | 'password'
      | 'refresh_token'
      | 'token_exchange'
      | 'request'
    >()
  })

  test('does without nothing that its request needs', () => {
    type Named = { clientId: string; tokenUrl: string }
    expectTypeOf<Named>().toExtend<library.ClientCredentialsOptions>()
    expectTypeOf<{ tokenUrl: string }>().not.toExtend<library.ClientCredentialsOptions>()
    expectTypeOf<{ tokenUrl: string }>().not.toExtend<library.AuthorizationCodeOptions>()
    expectTypeOf<{ tokenUrl: string }>().toExtend<library.PasswordCredentialsOptions>()
    expectTypeOf<Named & { refreshToken: string }>().toExtend<library.RefreshTokenOptions>()
    expectTypeOf<Named>().not.toExtend<library.RefreshTokenOptions>()
    expectTypeOf<Named>().not.toExtend<library.JwtBearerOptions>()
    expectTypeOf<{
      tokenUrl: string
      assertion: library.AssertionOptions
    }>().toExtend<library.JwtBearerOptions>()
    expectTypeOf<Named>().not.toExtend<library.TokenExchangeOptions>()
    expectTypeOf<library.ClientOptions['clientSecret']>().toEqualTypeOf<
      string | library.Secret | readonly (string | library.Secret)[] | undefined
    >()
  })

  test('is in one of eight states, and its summary has no member for a token', () => {
    expectTypeOf<library.GrantState>().toEqualTypeOf<
      | 'pending'
      | 'active'
      | 'suspect'
      | 'reauthorization_required'
      | 'paused'
      | 'quarantined'
      | 'revoking'
      | 'revoked'
    >()
    expectTypeOf<keyof library.GrantSummary>().extract<`${string}oken`>().toBeNever()
  })
})

test('a keeper gives tokens, summaries and how to stop listening', () => {
  expectTypeOf<typeof library.Keeper.open>().returns.resolves.toEqualTypeOf<Keeper>()
  expectTypeOf<Keeper>().toExtend<AsyncDisposable>()
  expectTypeOf<
    Keeper['getToken' | 'refresh' | 'rejected']
  >().returns.resolves.toEqualTypeOf<library.AccessToken>()
  expectTypeOf<Keeper['peekToken']>().returns.toEqualTypeOf<library.AccessToken | undefined>()
  expectTypeOf<Keeper['source']>().returns.toEqualTypeOf<library.TokenSource>()
  expectTypeOf<
    Keeper['add' | 'ensure' | 'show' | 'pause' | 'resume' | 'revoke' | 'login' | 'finishConsent']
  >().returns.resolves.toEqualTypeOf<library.GrantSummary>()
  expectTypeOf<Keeper['list']>().returns.resolves.toEqualTypeOf<library.GrantSummary[]>()
  expectTypeOf<Keeper['remove']>().returns.resolves.toEqualTypeOf<library.Revocation | undefined>()
  expectTypeOf<Keeper['validate']>().returns.resolves.toEqualTypeOf<library.Validation>()
  expectTypeOf<Keeper['beginConsent']>().returns.resolves.toEqualTypeOf<library.ConsentRequest>()
  expectTypeOf<Keeper['beginDeviceConsent']>().returns.resolves.toEqualTypeOf<library.DeviceConsent>()
  expectTypeOf<Keeper['notices']>().returns.resolves.toEqualTypeOf<readonly library.StoredNotice[]>()
  expectTypeOf<Keeper['spools']>().returns.resolves.toEqualTypeOf<readonly library.SpoolRegistration[]>()
  expectTypeOf<Keeper['on']>().returns.toEqualTypeOf<() => void>()
  expectTypeOf<library.KeeperEvents['failing']['code']>().toEqualTypeOf<library.ErrorCode>()
  expectTypeOf<library.KeeperEvents['refreshed']['expiresAt']>().toEqualTypeOf<number>()
  expectTypeOf<library.KeeperEvents['circuit']>().toEqualTypeOf<library.CircuitNews>()
  expectTypeOf<library.Worker>().toExtend<AsyncDisposable>()
  expectTypeOf<ConstructorParameters<typeof library.Worker>[0]>().toEqualTypeOf<Keeper>()
  expectTypeOf<ConstructorParameters<typeof library.Worker>[1]>().toEqualTypeOf<
    library.WorkerOptions | undefined
  >()
})

test('every store is opened in the same way, and says what it cannot do without', () => {
  expectTypeOf<typeof library.memoryStore>().returns.toEqualTypeOf<library.StoreOpener>()
  expectTypeOf<typeof sqlite.sqliteStore>().returns.toEqualTypeOf<library.StoreOpener>()
  expectTypeOf<typeof sqlite.sqliteStore>().parameter(0).toEqualTypeOf<string>()
  expectTypeOf<typeof postgres.postgresStore>().returns.toEqualTypeOf<library.StoreOpener>()
  expectTypeOf<{ url: string }>().not.toExtend<postgres.PostgresStoreOptions>()
  expectTypeOf<{ url: string; folder: string }>().toExtend<postgres.PostgresStoreOptions>()
  expectTypeOf<library.StoreOpener['open']>().returns.resolves.toEqualTypeOf<library.GrantStore>()
  expectTypeOf<typeof sqlite.newMasterKey>().returns.toEqualTypeOf<library.Secret>()
  expectTypeOf<typeof postgres.readKeyFile>().toEqualTypeOf<typeof sqlite.readKeyFile>()
  expectTypeOf<typeof heldToken.heldToken>().returns.toEqualTypeOf<heldToken.HeldToken | undefined>()
})

test('whoever brings storage or a network of their own is told what it must do', () => {
  expectTypeOf<library.TokenSourceOptions['save']>().toEqualTypeOf<
    ((tokens: library.SavedTokens) => Promise<void>) | undefined
  >()
  expectTypeOf<library.TokenSourceOptions['saved']>().toEqualTypeOf<library.SavedTokens | undefined>()
  expectTypeOf<library.RefreshingTokenSource>().toExtend<library.TokenSource & AsyncDisposable>()
  expectTypeOf<library.RefreshingTokenSource['revoke']>().returns.resolves.toEqualTypeOf<
    'revoked' | 'revoking'
  >()
  expectTypeOf<library.Transport>().parameters.toEqualTypeOf<[request: library.WireRequest]>()
  expectTypeOf<library.Transport>().returns.resolves.toEqualTypeOf<library.WireResponse>()
  expectTypeOf<typeof library.nodeTransport>().returns.toExtend<library.Transport>()
  expectTypeOf<typeof library.loggedTransport>().returns.toEqualTypeOf<library.Transport>()
  expectTypeOf<typeof fetch.fetchTransport>().returns.toEqualTypeOf<library.Transport>()
  expectTypeOf<typeof library.discover>().returns.resolves.toEqualTypeOf<library.ServerMetadata>()
  expectTypeOf<Parameters<typeof library.refreshingSource>[0]>().returns.toEqualTypeOf<
    library.IssuedToken | Promise<library.IssuedToken>
  >()
  expectTypeOf<typeof library.systemClock>().toExtend<library.Clock>()
})

test('a provider is data', () => {
  expectTypeOf<typeof providers.catalogueIds>().returns.toEqualTypeOf<readonly string[]>()
  expectTypeOf<typeof providers.catalogueProfile>().returns.toEqualTypeOf<
    library.ProviderProfile | undefined
  >()
  expectTypeOf<typeof library.isGrantId>().guards.toEqualTypeOf<string>()
})
