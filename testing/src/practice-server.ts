import { once } from 'node:events'
import type { Server } from 'node:http'
import { isIPv6 } from 'node:net'
import { type ConsentDecision, consent, consentToDevice } from './consent.ts'
import type { Practice } from './exchange.ts'
import { FaultQueue, type PracticeFault } from './fault.ts'
import { type Introspection, introspect } from './introspection.ts'
import { listen, peersNotice, serve } from './listener.ts'
import { type PracticeServerOptions, resolvePracticeOptions, withSecret } from './practice-options.ts'
import { PracticeState } from './practice-state.ts'
import { ProofNonces } from './proof-nonces.ts'
import { RecordedExchanges } from './recorded-exchange.ts'
import { digest, type PracticeRequest, RequestRecord } from './request-record.ts'
import { type TruthEntry, TruthLog } from './truth-log.ts'

export { type ConsentDecision, consent, consentToDevice } from './consent.ts'
export type { FaultKind, PracticeFault } from './fault.ts'
export type { Introspection } from './introspection.ts'
export { type LoginOptions, login, type PracticeLogin } from './login.ts'
export {
  type AccessTokenHistory,
  historyOf,
  isLive,
  type LoginHistory,
  liveRefreshTokens,
  overlaps,
  type RefreshTokenHistory,
  refreshesDone,
  refreshRequests,
  type TokenRequestHistory,
} from './login-history.ts'
export {
  type FamilyKill,
  judgeLogin,
  type LoginVerdict,
} from './login-verdict.ts'
export { awake, type LossCause, type LossEvidence, type LossTiming } from './loss-evidence.ts'
export {
  defaultAssertionIssuers,
  defaultClients,
  type PracticeAssertionIssuer,
  type PracticeClient,
  type PracticeClientAuthentication,
  type PracticeGrantType,
  type PracticeJwk,
  type PracticeKey,
} from './practice-clients.ts'
export type {
  PracticeLifetimes,
  PracticeServerOptions,
  RespondRequest,
  ScriptedResponse,
} from './practice-options.ts'
export type { RecordedAnswer, RecordedExchange, RecordedRequest } from './recorded-exchange.ts'
export { fingerprint, type PracticeRequest } from './request-record.ts'
export type { Rotation } from './rotation.ts'
export {
  type PracticeProcess,
  type PracticeProcessOptions,
  spawnPracticeServer,
} from './spawned-server.ts'
export type { TruthDelivery, TruthEntry, TruthFact } from './truth-log.ts'
export { loginHistories, readTruthFile } from './truth-reading.ts'

/** A running practice authorization server. */
export class PracticeServer {
  /** Its identifier, RFC 8414 section 2: an origin such as `http://127.0.0.1:40123`. */
  readonly issuer: string
  readonly port: number
  readonly #server: Server
  readonly #practice: Practice
  readonly #requests: RequestRecord
  readonly #stopping: AbortController
  #stopped: Promise<void> | undefined

  /** @internal use {@link startPracticeServer} */
  constructor(
    server: Server,
    port: number,
    practice: Practice,
    requests: RequestRecord,
    stopping: AbortController,
  ) {
    this.#server = server
    this.#practice = practice
    this.#requests = requests
    this.#stopping = stopping
    this.issuer = practice.issuer
    this.port = port
  }

  /** The same as {@link PracticeServer.issuer}. */
  get url(): string {
    return this.issuer
  }

  get tokenEndpoint(): string {
    return this.#practice.tokenEndpoint
  }

  get authorizationEndpoint(): string {
    return `${this.issuer}/authorize`
  }

  /** RFC 9126 section 2. */
  get pushedAuthorizationRequestEndpoint(): string {
    return `${this.issuer}/par`
  }

  /** RFC 8628 section 3.1. */
  get deviceAuthorizationEndpoint(): string {
    return `${this.issuer}/device_authorization`
  }

  /** Every request that it saw, oldest first, but those to `/practice/…`; also at `GET /practice/requests`. */
  get requests(): readonly PracticeRequest[] {
    return this.#requests.all()
  }

  /**
   * What truly became of every token request, in order, with that of earlier servers on the same `truthFile`; also at
   * `GET /practice/truth`.
   */
  get truth(): readonly TruthEntry[] {
    return this.#practice.truth.all()
  }

  /**
   * Makes token requests go wrong from now on, after the faults that were set before; also at `POST /practice/faults`, with
   * one fault or a list of them as JSON.
   */
  fault(fault: PracticeFault): void {
    this.#practice.faults.add(fault, this.#practice.now())
  }

  /**
   * Everything goes right again, but for requests that have met their fault already; also at `DELETE /practice/faults`.
   */
  clearFaults(): void {
    this.#practice.faults.clear()
  }

  /**
   * From now on a client proves itself with this secret, or with any of these, as while one is being rotated. Lasts as long
   * as the server. Throws a `TypeError` for a client that is unknown or has no secret.
   */
  setClientSecret(clientId: string, secret: string | readonly string[]): void {
    const { clients } = this.#practice.options
    const client = clients.get(clientId)
    if (client === undefined) throw new TypeError(`the client ${clientId} is not registered`)
    clients.set(clientId, withSecret(client, secret))
  }

  /** Plays a person with a browser; see {@link consent}. */
  consent(authorizationUrl: string | URL, decision?: ConsentDecision): Promise<string> {
    return consent(authorizationUrl, decision)
  }

  /** Plays a person who has been shown a user code; see {@link consentToDevice}. */
  consentToDevice(userCode: string, decision?: ConsentDecision): Promise<void> {
    return consentToDevice(`${this.issuer}/device`, userCode, decision)
  }

  /** What a token is worth now (RFC 7662 section 2.2), without a request. */
  introspect(token: string): Introspection {
    return introspect(token, this.#practice)
  }

  /** Ends every login of a subject with all its tokens, as an administrator would. Gives the number of logins. */
  revokeLogin(subject: string): number {
    const { state } = this.#practice
    const logins = state.loginsOf(subject)
    for (const { id } of logins) this.#revoke(id)
    return logins.length
  }

  /** Ends the login that an access or refresh token belongs to. Gives false when it knows no such living login. */
  revokeFamily(token: string): boolean {
    const { state } = this.#practice
    const tokenDigest = digest(token)
    const id = (state.refreshToken(tokenDigest) ?? state.accessToken(tokenDigest))?.login
    const login = id === undefined ? undefined : state.login(id)
    if (login === undefined || login.revoked !== undefined) return false
    this.#revoke(login.id)
    return true
  }

  /** Stops it and breaks every open connection, hanging requests included; again is the same. */
  stop(): Promise<void> {
    this.#stopped ??= this.#close()
    return this.#stopped
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #close(): Promise<void> {
    this.#stopping.abort()
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
    this.#practice.state.close()
    this.#practice.truth.close()
    await peersNotice()
  }

  #revoke(login: string): void {
    const { state, truth, now } = this.#practice
    state.commit({ type: 'login_revoked', at: now(), login, reason: 'revoked_by_administrator' })
    truth.of(0)({ type: 'revoked', login, by: 'administrator' })
  }
}

/**
 * Starts an OAuth 2 authorization server for practice and tests: it follows the RFCs strictly, knows no passwords and
 * must not guard anything real.
 *
 * Grant types: client credentials, authorization code with PKCE S256, device code (RFC 8628), refresh token, JWT bearer.
 * Endpoints: `/authorize`, `/par` (RFC 9126), `/device_authorization`, `/device` (where a person types the user code), `/token`,
 * `/introspect` (RFC 7662; open to loopback addresses without authentication), `/revoke` (RFC 7009), `/userinfo` and `/api/whoami` (want
 * a Bearer token, or one that is bound to a key with its proof, RFC 9449), `/.well-known/oauth-authorization-server` (RFC 8414), `/practice/requests`, `/practice/truth`, `/practice/logins`, `/practice/verdict`, `/practice/faults`, `/practice/health`.
 *
 * Without `clients` and `assertionIssuers` it knows:
 *
 * | who | how |
 * |---|---|
 * | client `practice-service` | `client_secret_basic`, secret `practice-service-secret`: client credentials, JWT bearer, token exchange |
 * | client `practice-app` | public, redirect URIs `http://127.0.0.1/callback` and `http://127.0.0.1/oauth/callback` on any port: authorization code, device code, refresh token |
 * | client `practice-web` | `client_secret_post`, secret `practice-web-secret`, otherwise as `practice-app` |
 * | assertion issuer `practice-issuer` | HS256, secret `practice-issuer-secret-of-32-bytes-or-more` |
 *
 * ```ts
 * await using server = await startPracticeServer({ lifetimes: { accessToken: 60 } })
 * const keeper = tokenSource(clientCredentials({ tokenUrl: server.tokenEndpoint, … }))
 * ```
 *
 * Throws `EvertokenError` with the code `port_taken`, or a `TypeError` for an option that makes no sense.
 */
export async function startPracticeServer(options: PracticeServerOptions = {}): Promise<PracticeServer> {
  const resolved = resolvePracticeOptions(options)
  const recorded = new RecordedExchanges(resolved.recorded)
  const { server, port } = await listen(resolved.host, resolved.port)
  try {
    const issuer = resolved.issuer ?? `http://${reachable(resolved.host)}:${port}`
    const state = new PracticeState(resolved.stateFile, resolved.now())
    const faults = new FaultQueue(resolved.faultSeed)
    for (const fault of resolved.faults) faults.add(fault, resolved.now())
    const practice = {
      options: resolved,
      state,
      truth: new TruthLog(resolved.truthFile, resolved.now, 4 * resolved.recordLimit),
      faults,
      nonces: new ProofNonces(resolved.now, resolved.dpopNonceLifetime),
      recorded,
      issuer,
      tokenEndpoint: `${issuer}/token`,
      now: resolved.now,
    }
    const requests = new RequestRecord(resolved.recordLimit)
    const stopping = new AbortController()
    serve(server, practice, requests, stopping.signal)
    return new PracticeServer(server, port, practice, requests, stopping)
  } catch (error) {
    server.close()
    throw error
  }
}

/** The host as it stands in a URL; from "every address" it is the loopback one. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return isIPv6(host) ? `[${host}]` : host
}
