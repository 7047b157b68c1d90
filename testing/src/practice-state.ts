import { Journal } from './journal.ts'
import type {
  AccessToken,
  Code,
  DeviceCode,
  Login,
  PracticeEvent,
  PushedRequest,
  RefreshToken,
} from './practice-events.ts'

// Often enough that a server under load keeps about one lifetime of access tokens, seldom enough to cost nothing.
const eventsBetweenSweeps = 10_000

/** Grant types whose logins may go on with a refresh token. */
const consented: ReadonlySet<string> = new Set([
  'authorization_code',
  'urn:ietf:params:oauth:grant-type:device_code',
])

/** The fold of the events. Only {@link PracticeState.commit} changes it: first the journal, then the memory. */
export class PracticeState {
  readonly #logins = new Map<string, Login>()
  readonly #accessTokens = new Map<string, AccessToken>()
  readonly #refreshTokens = new Map<string, RefreshToken>()
  readonly #codes = new Map<string, Code>()
  readonly #pushedRequests = new Map<string, PushedRequest>()
  readonly #deviceCodes = new Map<string, DeviceCode>()
  /** Digests of device codes by those of their user codes. */
  readonly #userCodes = new Map<string, string>()
  readonly #assertions = new Map<string, number>()
  readonly #proofs = new Map<string, number>()
  readonly #journal: Journal<PracticeEvent> | undefined
  #applied = 0

  /** Replays the file's events, if there is a file. */
  constructor(stateFile: string | undefined, now: number) {
    if (stateFile === undefined) return
    const { journal, events } = Journal.open<PracticeEvent>(stateFile)
    this.#journal = journal
    for (const event of events) this.#apply(event)
    if (events.length === 0) this.commit({ type: 'opened', at: now, version: 1 })
  }

  commit(event: PracticeEvent): void {
    this.#journal?.append(event)
    this.#apply(event)
  }

  close(): void {
    this.#journal?.close()
  }

  login(id: string): Login | undefined {
    return this.#logins.get(id)
  }

  loginsOf(subject: string): Login[] {
    return [...this.#logins.values()].filter((login) => login.subject === subject && !login.revoked)
  }

  code(digest: string): Code | undefined {
    return this.#codes.get(digest)
  }

  /** Undefined once somebody has decided about it. */
  pushedRequest(digest: string): PushedRequest | undefined {
    return this.#pushedRequests.get(digest)
  }

  deviceCode(digest: string): DeviceCode | undefined {
    return this.#deviceCodes.get(digest)
  }

  /** The device authorization whose user code has this digest. */
  userCode(digest: string): DeviceCode | undefined {
    return this.#deviceCodes.get(this.#userCodes.get(digest) ?? '')
  }

  refreshToken(digest: string): RefreshToken | undefined {
    return this.#refreshTokens.get(digest)
  }

  accessToken(digest: string): AccessToken | undefined {
    return this.#accessTokens.get(digest)
  }

  assertionWasUsed(issuer: string, jti: string): boolean {
    return this.#assertions.has(JSON.stringify([issuer, jti]))
  }

  proofWasUsed(jkt: string, jti: string): boolean {
    return this.#proofs.has(JSON.stringify([jkt, jti]))
  }

  #apply(event: PracticeEvent): void {
    switch (event.type) {
      case 'opened':
        if (event.version !== 1) throw new Error(`journal version ${event.version} is not known`)
        break
      case 'code_issued':
        this.#codes.set(event.code.digest, event.code)
        break
      case 'request_pushed':
        this.#pushedRequests.set(event.request.digest, event.request)
        break
      case 'pushed_request_shown':
        change(this.#pushedRequests, event.digest, { shown: true })
        break
      case 'pushed_request_decided':
        this.#pushedRequests.delete(event.digest)
        break
      case 'device_code_issued':
        this.#deviceCodes.set(event.code.digest, event.code)
        this.#userCodes.set(event.code.userCode, event.code.digest)
        break
      case 'device_code_decided':
        change(this.#deviceCodes, event.digest, { decision: event.decision })
        break
      case 'device_code_polled':
        change(this.#deviceCodes, event.digest, { polledAt: event.at, interval: event.interval })
        break
      case 'tokens_issued':
        this.#applyIssue(event)
        break
      case 'login_revoked':
        change(this.#logins, event.login, { revoked: event.reason })
        break
      case 'access_token_revoked':
        this.#accessTokens.delete(event.digest)
        break
      case 'proof_accepted':
        this.#proofs.set(JSON.stringify([event.jkt, event.jti]), event.expiresAt)
        break
      case 'assertion_accepted':
        this.#assertions.set(JSON.stringify([event.issuer, event.jti]), event.expiresAt)
        break
      default:
        throw new Error(`unknown event ${JSON.stringify(event satisfies never)}`)
    }
    this.#applied += 1
    if (this.#applied % eventsBetweenSweeps === 0) this.#sweep(event.at)
  }

  #applyIssue(event: Extract<PracticeEvent, { type: 'tokens_issued' }>): void {
    const { opens, accessToken, refreshToken, spentCode, spentDeviceCode } = event
    const { spentRefreshToken, nonce, replaces, endsEarlier } = event
    if (opens) this.#logins.set(opens.id, opens)
    this.#accessTokens.set(accessToken.digest, accessToken)
    if (refreshToken) this.#refreshTokens.set(refreshToken.digest, refreshToken)
    if (endsEarlier) change(this.#logins, accessToken.login, { onlyAccessToken: accessToken.digest })
    if (spentCode) change(this.#codes, spentCode, { login: accessToken.login })
    if (spentDeviceCode) change(this.#deviceCodes, spentDeviceCode, { login: accessToken.login })
    if (replaces) change(this.#refreshTokens, replaces, { replaced: true })
    if (spentRefreshToken && refreshToken) {
      const { scope, expiresAt, jkt } = accessToken
      change(this.#refreshTokens, spentRefreshToken, {
        child: refreshToken.digest,
        // A further use does not open the window anew.
        usedAt: this.#refreshTokens.get(spentRefreshToken)?.usedAt ?? event.at,
        repeatable: nonce === undefined ? undefined : { nonce, scope, expiresAt, jkt },
      })
    }
  }

  /** Forgets what time has made meaningless; used refresh tokens and codes stay, for their reuse means something. */
  #sweep(now: number): void {
    for (const [digest, token] of this.#accessTokens) {
      if (token.expiresAt > now) continue
      this.#accessTokens.delete(digest)
      // These logins have no refresh token: with their one access token they are over.
      const type = this.#logins.get(token.login)?.grantType
      if (type !== undefined && !consented.has(type)) this.#logins.delete(token.login)
    }
    for (const [digest, { shown, expiresAt }] of this.#pushedRequests)
      if (expiresAt <= now && shown !== true) this.#pushedRequests.delete(digest)
    for (const used of [this.#assertions, this.#proofs])
      for (const [key, expiresAt] of used) if (expiresAt <= now) used.delete(key)
  }
}

function change<Value extends object>(map: Map<string, Value>, key: string, members: Partial<Value>): void {
  const value = map.get(key)
  if (value !== undefined) map.set(key, { ...value, ...members })
}
