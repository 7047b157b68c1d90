import { type Clock, systemClock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { Transport } from '../oauth/transport.ts'
import { adopted } from './adoption.ts'
import type { CircuitTiming } from './circuit.ts'
import { Circuits } from './circuits.ts'
import type { ConsentOptions, ConsentRequest } from './consent.ts'
import { Consents } from './consents.ts'
import { checkedGrant, type GrantDefinition, openedDefinition } from './definition.ts'
import { type DemandContext, newerToken, type RejectionReport, replacedToken } from './demand.ts'
import type { DeviceConsent, DeviceConsentOptions } from './device-consent.ts'
import { type KeeperEvent, type KeeperEvents, Listeners } from './events.ts'
import { everyGrant } from './every-grant.ts'
import type { FaultPoint } from './fault-point.ts'
import { Flights } from './flights.ts'
import {
  findToken,
  type GrantRecord,
  mints,
  ownToken,
  pause,
  type Revocation,
  refreshes,
  resume,
  type TokenRow,
  tokenKey,
} from './grant.ts'
import { checkGrantId } from './grant-id.ts'
import { Looks } from './looks.ts'
import type { LoginCredentials } from './password-login.ts'
import { Reader } from './reader.ts'
import { reauthorizationRequired, unknownGrant } from './reading.ts'
import type { RefreshContext, Refreshed } from './refresh.ts'
import { ensuredGrant, newGrant, type RegistrationOptions } from './registration.ts'
import { type RemovalOptions, revokeAndRemove } from './removal.ts'
import { type Replacement, replacedGrant } from './replacement.ts'
import { retireSpool } from './retirement.ts'
import { revoke } from './revocation.ts'
import { checkSecondaryIds, checkSecondaryNames, ensureSecondaries } from './secondary.ts'
import { ServerDirectory } from './server-directory.ts'
import type { GrantStore, Moment, SpoolRegistration, StoredNotice, StoreOpener } from './store.ts'
import { type GrantSummary, summaryOf } from './summary.ts'
import type { Timing } from './timing.ts'
import { checkedTiming, checkFacts } from './timing-check.ts'
import type { AccessToken, TokenRequest, TokenSource } from './token.ts'
import { TokenCache } from './token-cache.ts'
import type { Validation } from './validation.ts'

export interface KeeperOptions {
  /** Where grants live: `sqliteStore('tokens.db')`, `memoryStore()`. */
  store: StoreOpener
  /** Default: node:http with keep-alive. */
  transport?: Transport | undefined
  /** Default: the machine's. */
  clock?: Clock | undefined
  /** 0 to 1, for jitter. Default `Math.random`. */
  random?: (() => number) | undefined
  /** Other times than the defaults, in ms. */
  timing?: Partial<Timing> | undefined
  /** Other times of the breaker than the defaults, in ms. */
  circuit?: Partial<CircuitTiming> | undefined
  /** For tests that stop or kill this process at a named moment of a refresh. */
  faultPoint?: ((point: FaultPoint) => void) | undefined
}

/** Milliseconds that closing waits for what a closed transport lets go of. */
const longestGoodbye = 1_000

/**
 * Keeps grants alive and hands out their tokens. One keeper for a process; any number of processes on one store.
 *
 * ```ts
 * await using keeper = await Keeper.open({ store: sqliteStore('tokens.db') })
 * await keeper.add('billing', clientCredentials({ tokenUrl, clientId, clientSecret }))
 * const token = await keeper.getToken('billing')
 * ```
 */
export class Keeper implements AsyncDisposable {
  readonly store: GrantStore
  readonly clock: Clock
  readonly timing: Timing
  readonly #context: Omit<RefreshContext, 'troubled' | 'drained' | 'noticed' | 'listening'>
  readonly #cache: TokenCache
  readonly #reader: Reader
  readonly #flights: Flights
  readonly #listeners = new Listeners()
  readonly #consents: Consents
  readonly #demand: DemandContext
  #closing: Promise<void> | undefined

  /** Ends what this keeper opened itself, beyond the store. */
  readonly #release: () => void

  private constructor(
    store: GrantStore,
    transport: Transport,
    timing: Timing,
    release: () => void,
    options: KeeperOptions,
  ) {
    this.store = store
    this.#release = release
    this.clock = options.clock ?? systemClock
    this.timing = timing
    const { clock } = this
    const servers = new ServerDirectory(store, transport, clock, timing)
    const random = options.random ?? Math.random
    this.#context = {
      store,
      transport,
      clock,
      timing,
      random,
      circuits: new Circuits({
        store,
        clock,
        random,
        timing: options.circuit,
        told: (news) => this.#listeners.emit('circuit', news),
      }),
      uncommitted: new Set(),
      faultPoint: options.faultPoint,
      serverOf: (definition) => servers.serverOf(definition),
    }
    const looks = new Looks(store, clock)
    this.#cache = new TokenCache(store, clock.now, timing.revalidate)
    this.#flights = new Flights(this.#context, this.#listeners, (id) => this.#reader.forget(id))
    this.#consents = new Consents(this.#context, (record) => this.#consented(record))
    this.#reader = new Reader({
      store,
      clock,
      timing,
      cache: this.#cache,
      looks,
      refresh: (id, why, looksFree) => this.#flights.refresh(id, why, looksFree),
      trouble: (id) => this.#flights.trouble(id),
    })
    this.#demand = {
      clock,
      looks,
      timing,
      record: (id) => this.#record(id),
      refresh: (id, why) => this.#flights.refresh(id, why),
      forget: (id) => this.#reader.forget(id),
      read: (id, request) => this.getToken(id, request),
    }
  }

  /**
   * Opens the store. Throws what the store throws: `wrong_encryption_key`, `store_newer`, `key_file_too_open`, …; and
   * `invalid_configuration` for times with which no refresh would come about.
   */
  static async open(options: KeeperOptions): Promise<Keeper> {
    if (typeof options?.store?.open !== 'function')
      throw new TypeError('Keeper.open takes a store: { store: sqliteStore(file) }, or memoryStore()')
    const timing = checkedTiming(options.timing)
    const store = await options.store.open()
    if (options.transport !== undefined)
      return new Keeper(store, options.transport, timing, () => undefined, options)
    const { nodeTransport } = await import('../oauth/node-transport.ts')
    const transport = nodeTransport()
    return new Keeper(store, transport, timing, () => transport.close(), options)
  }

  /**
   * Puts a grant under a name. Nothing is sent yet: the first read or the worker obtains the first token.
   *
   * @throws EvertokenError `grant_exists`, `invalid_grant_id`, and `invalid_configuration` for a grant that cannot be kept within
   *   this keeper's times.
   */
  async add(
    id: string,
    definition: GrantDefinition,
    options: RegistrationOptions = {},
  ): Promise<GrantSummary> {
    checkGrantId(id)
    checkFacts(checkedGrant(definition, 'keeper.add').facts, this.timing)
    checkSecondaryIds(id, definition)
    await checkSecondaryNames(this.#context, id, definition)
    return this.#change(id, (record, moment) => {
      if (record !== undefined)
        throw new EvertokenError('grant_exists', `there is a grant ${id} already`, {
          grant: id,
          advice: 'Choose another name, or remove it first.',
        })
      return newGrant(this.store, id, definition, options, this.clock.now(), moment)
    })
  }

  /** The same, but a grant of that name takes over what changed and keeps its login and tokens where it can. */
  async ensure(
    id: string,
    definition: GrantDefinition,
    options: RegistrationOptions = {},
  ): Promise<GrantSummary> {
    checkGrantId(id)
    checkFacts(checkedGrant(definition, 'keeper.ensure').facts, this.timing)
    checkSecondaryIds(id, definition)
    const ensured = await this.#change(id, (record, moment) =>
      ensuredGrant(this.store, id, record, definition, options, this.clock.now(), moment),
    )
    await ensureSecondaries(this.#context, id, definition)
    return ensured
  }

  /**
   * Puts another client secret or refresh token in the place of a grant's own. Its login and its tokens stay, and the next refresh,
   * which is due at once, uses what is new.
   *
   * @throws EvertokenError `unknown_grant`, `grant_revoked`, `empty_secret`, and `invalid_request` where the grant has no such secret.
   */
  async replace(id: string, replacement: Replacement): Promise<GrantSummary> {
    const changed = await this.#existing(id, (record, moment) =>
      replacedGrant(this.store, record, replacement, this.clock.now(), moment),
    )
    await ensureSecondaries(this.#context, id, openedDefinition(this.store.seal, await this.#record(id)))
    return changed
  }

  /**
   * A token that works: from memory in the normal case, after a refresh when the present one will not do.
   *
   * @throws ReauthorizationRequiredError, ProviderError (`invalid_client`, `provider_unreachable`, …), EvertokenError
   *   (`unknown_grant`, `grant_pending`, `grant_paused`, `token_unavailable`).
   */
  getToken(id: string, request?: TokenRequest): Promise<AccessToken> {
    return this.#cache.given(id, request) ?? this.#reader.get(id, request ?? {})
  }

  /** The token in memory, if there is one that may be used this instant; never waits, never sends. */
  peekToken(id: string, request?: Pick<TokenRequest, 'scope' | 'resource'>): AccessToken | undefined {
    return request === undefined
      ? this.#cache.own(id)
      : this.#cache.at(id, tokenKey(request.scope, request.resource))
  }

  /** One grant as a source of tokens, for `authorizedFetch` and whatever else takes one. */
  source(id: string, fixed: Pick<TokenRequest, 'scope' | 'resource'> = {}): TokenSource {
    const same = fixed.scope === undefined && fixed.resource === undefined
    return {
      getToken: (request) => this.getToken(id, same ? request : { ...request, ...fixed }),
      rejected: (report) => this.rejected(id, { ...report, ...fixed }),
    }
  }

  /**
   * A new token now, whatever the schedule says.
   *
   * @throws the stored failure, when no new token came.
   */
  refresh(
    id: string,
    request: Pick<TokenRequest, 'scope' | 'resource' | 'signal'> = {},
  ): Promise<AccessToken> {
    return newerToken(this.#demand, id, request)
  }

  /**
   * Reports that an API refused a token. Of all who report one generation, one causes a refresh; all get the newer
   * token. When there is none to be had, the present one comes back with the generation that was reported.
   */
  rejected(id: string, report: RejectionReport): Promise<AccessToken> {
    return replacedToken(this.#demand, id, report)
  }

  /** Refreshes the grant if it is due. */
  tend(id: string): Promise<Refreshed> {
    return this.#flights.refresh(id, { kind: 'due' })
  }

  /** Begins to refresh what is due, at most `limit` grants: what a worker does. */
  tendDue(
    limit: number,
  ): Promise<{ readonly looked: number; readonly begun: ReadonlyMap<string, Promise<Refreshed>> }> {
    return this.#flights.refreshDue(limit)
  }

  /** One grant, without secrets. Throws `unknown_grant`. */
  async show(id: string): Promise<GrantSummary> {
    return this.#summary(await this.#record(id))
  }

  /** Grants by name, at most `limit` (default 1000) after `after`. */
  async list(page?: { after?: string | undefined; limit?: number | undefined }): Promise<GrantSummary[]> {
    return (await this.store.list(page)).map((record) => this.#summary(record))
  }

  /** Stops refreshing and serving. An answer under way is still kept. Throws `invalid_request` when it does neither. */
  async pause(id: string): Promise<GrantSummary> {
    return this.#existing(id, (record) => {
      if (!refreshes(record.status) && record.status.state !== 'paused')
        throw new EvertokenError(
          'invalid_request',
          `grant ${id} is ${record.status.state}: nothing to pause`,
          {
            grant: id,
          },
        )
      return pause(record, this.clock.now())
    })
  }

  /**
   * Ends a pause or a quarantine; the grant is refreshed when it is due, at once if that has passed. One whose tokens are minted
   * (client credentials, assertions, requests, exchanges) tries again after its provider had refused for certain.
   *
   * @throws ReauthorizationRequiredError where a person has to consent instead.
   */
  async resume(id: string): Promise<GrantSummary> {
    return this.#existing(id, (record, { time }) => {
      const { status, grantType } = record
      if (status.state === 'reauthorization_required' && !mints(grantType))
        throw reauthorizationRequired(record, status.reason)
      return resume(record, this.clock.now(), time.at)
    })
  }

  /**
   * Ends the login: nothing of it is served any more once this resolves, in no process (after one revalidation interval),
   * and the provider is told (RFC 7009), at once or by whoever finds it due in the next seven days. The summary says how
   * far that came: `revoking` or `revoked`.
   */
  async revoke(id: string): Promise<GrantSummary> {
    await this.#existing(id, (record, moment) => revoke(record, this.clock.now(), moment))
    await this.#tellRevoked(id)
    return this.show(id)
  }

  /**
   * Whether a token is good and how that is known: introspection, userinfo, a call of the client's, else its expiry. Nothing is
   * refreshed by it.
   *
   * @throws EvertokenError `unknown_grant`, `token_unavailable` when the grant has no token to look at.
   */
  async validate(id: string, request: Pick<TokenRequest, 'scope' | 'resource'> = {}): Promise<Validation> {
    const [{ validate }, record] = await Promise.all([import('./validation.ts'), this.#record(id)])
    return validate(this.#context, record, request)
  }

  /**
   * Takes over a store that is a copy: restored from a backup, or cloned. From now on it is one of its own; refresh
   * tokens that the other copy may have spent are probed, or waited for, before they are sent. Ending the other copy's
   * processes is up to whoever calls this.
   *
   * @param progress told of grants done so far.
   * @returns how many grants have such a refresh token.
   */
  async adopt(progress: (done: number) => void = () => undefined): Promise<number> {
    await this.store.adopt()
    const { store } = this
    return everyGrant(
      store,
      (record, moment) => adopted(record, crypto.randomUUID(), store.owner, moment),
      progress,
    )
  }

  /** Hosts whose spools may hold answers that the store does not have. */
  spools(): Promise<readonly SpoolRegistration[]> {
    return this.store.spools()
  }

  /**
   * Says that the host of a spool never comes back: what it may have received is given up waiting for.
   *
   * @returns how many grants waited for it.
   * @throws EvertokenError `not_found` when there is no such spool.
   */
  retireSpool(spool: string): Promise<number> {
    return retireSpool(this.store, spool, this.clock.now())
  }

  /** What people were to know, oldest first, at most `limit` (default 1000) after number `after`. */
  notices(page?: {
    after?: number | undefined
    limit?: number | undefined
  }): Promise<readonly StoredNotice[]> {
    return this.store.notices(page)
  }

  /**
   * Forgets the grant and every token of it. Nothing is said to the provider, unless with `revoke`: then the login is
   * revoked first, as by `revoke`, and the grant is forgotten once the provider was told or has no way to be.
   *
   * @returns with `revoke`, what the provider made of it, and what became of each kind of token; undefined where there was nothing
   *   to revoke. `failed` as a whole is said of minted tokens alone (client credentials, assertions), which end by themselves.
   * @throws EvertokenError `unknown_grant`; with `revoke` also, nothing being removed: ProviderError `provider_error`
   *   (the login is over here and the provider is told again by itself: remove again later), `grant_revoked` (it could
   *   not be told within seven days), `grant_exists` (a new login or another grant has the name by now).
   */
  async remove(id: string, options: RemovalOptions = {}): Promise<Revocation | undefined> {
    const { store, clock, timing } = this
    try {
      if (options.revoke === true)
        return await revokeAndRemove(id, { store, clock, timing, tell: (id) => this.#tellRevoked(id) })
      return await store.update(id, (record) => {
        if (record === undefined) throw unknownGrant(id, store.location)
        return { result: undefined, record: null }
      })
    } finally {
      this.#reader.forget(id)
    }
  }

  /** Begins a person's consent; send them to the `url`. */
  beginConsent(id: string, options: ConsentOptions): Promise<ConsentRequest> {
    return this.#consents.begin(id, options)
  }

  /** Finishes it with the URL the provider sent the person back to. */
  finishConsent(callback: URL | URLSearchParams, binding?: string): Promise<GrantSummary> {
    return this.#consents.finish(callback, binding)
  }

  /**
   * Logs a person in with a user name and a password (RFC 6749 section 4.3): for grants of type `password`. They are sent once
   * and kept nowhere; afterwards the grant lives by its refresh token, until that dies and the person logs in again.
   *
   * @throws EvertokenError `unknown_grant`, `invalid_request`, `empty_secret`, and what a token request may bring:
   *   `invalid_grant` for a wrong password, mostly. The grant stays as it was.
   */
  login(id: string, credentials: LoginCredentials): Promise<GrantSummary> {
    return this.#consents.logIn(id, credentials)
  }

  /**
   * Begins a person's consent on another device (RFC 8628), for where no browser can come back to us; show them the code
   * and the address. This process asks the provider until `finished`.
   *
   * @throws EvertokenError `invalid_configuration` when the provider has no device authorization endpoint,
   *   `unknown_grant`, `invalid_request`, and what a token request may bring.
   */
  beginDeviceConsent(id: string, options: DeviceConsentOptions = {}): Promise<DeviceConsent> {
    return this.#consents.beginOnDevice(id, options)
  }

  /** Listens; gives back how to stop. Only this process's own refreshes are told. */
  on<E extends KeeperEvent>(event: E, listener: (facts: KeeperEvents[E]) => void): () => void {
    return this.#listeners.on(event, listener)
  }

  /** Waits for refreshes under way, at most as long as a lease lasts, then closes the store. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= (async () => {
      const over = new AbortController()
      await Promise.race([
        Promise.all([this.#flights.landed(), this.#consents.close()]),
        this.clock.sleep(this.timing.lease, { signal: over.signal }),
      ])
      over.abort()
      // Whoever listens for a late answer hears that none will come, and says so while the store is there.
      this.#release()
      const said = new AbortController()
      await Promise.race([this.#flights.heard(), this.clock.sleep(longestGoodbye, { signal: said.signal })])
      said.abort()
      await this.store.close()
    })()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #consented(record: GrantRecord): GrantSummary {
    this.#reader.forget(record.id)
    this.#flights.tellRefreshed(record, findToken(record, ownToken) as TokenRow)
    this.#flights.tellNotices(record, undefined)
    return this.#summary(record)
  }

  /** Resolves when no reader is served of a revoked login any more and the provider was told, or could not be yet. */
  async #tellRevoked(id: string): Promise<void> {
    this.#reader.forget(id)
    // No reader serves from memory afterwards: counted from the moment the change is durable.
    const unseen = this.clock.sleep(this.timing.revalidate)
    await Promise.all([unseen, this.#flights.refresh(id, { kind: 'due' })])
  }

  async #change(
    id: string,
    decide: (record: GrantRecord | undefined, moment: Moment) => GrantRecord,
  ): Promise<GrantSummary> {
    const record = await this.store.update(id, (before, moment) => {
      const next = decide(before, moment)
      return next === before ? { result: next } : { result: next, record: next }
    })
    this.#reader.forget(id)
    return this.#summary(record)
  }

  #existing(id: string, decide: (record: GrantRecord, moment: Moment) => GrantRecord): Promise<GrantSummary> {
    return this.#change(id, (record, moment) => {
      if (record === undefined) throw unknownGrant(id, this.store.location)
      return decide(record, moment)
    })
  }

  async #record(id: string): Promise<GrantRecord> {
    const record = await this.store.read(id)
    if (record === undefined) throw unknownGrant(id, this.store.location)
    return record
  }

  #summary(record: GrantRecord): GrantSummary {
    return summaryOf(record, this.clock.now(), this.store.time())
  }
}
