import { type Clock, wallClock } from '../clock.ts'
import { EvertokenError, ProviderError } from '../errors.ts'
import { tokenKey } from '../grants/grant.ts'
import { checkedLifetime, checkedSeconds } from '../grants/option-check.ts'
import { backoff, freshness, windows } from '../grants/schedule.ts'
import type { AccessToken, TokenRequest, TokenSource } from '../grants/token.ts'
import { untilAborted } from './abort.ts'
import { accessTokenOf, type IssuedToken } from './issued-token.ts'

/** Which token is wanted. */
export interface WantedToken extends Pick<TokenRequest, 'scope' | 'resource' | 'minTtl'> {
  /** The generation that an API refused: another one is wanted. */
  readonly rejected?: number | undefined
}

export interface RefreshingSourceOptions {
  /** Seconds before expiry at which a new token is obtained; never more than half its life. Default: by lifetime. */
  refreshBefore?: number | undefined
  /** Seconds a token is taken to live where nobody says. Default 3300. */
  assumedLifetime?: number | undefined
  /** Default: the machine's. */
  clock?: Pick<Clock, 'now' | 'sleep'> | undefined
  /** 0 to 1, for jitter. Default `Math.random`. */
  random?: (() => number) | undefined
  /**
   * Whether an error means that the present token is not to be given out any more either. Default: that of a grant which is revoked,
   * paused or set aside, and of a key that may not read it.
   */
  endsToken?: ((error: unknown) => boolean) | undefined
}

/** A source that can also be asked without waiting. */
export interface PeekableTokenSource extends TokenSource {
  /** The token in memory, if it may be used this instant. */
  peekToken(request?: Pick<TokenRequest, 'scope' | 'resource'>): AccessToken | undefined
}

/** What is known of one scope and resource. */
interface Place {
  token: AccessToken | undefined
  /** The token as getToken gives it: one promise for all readers. */
  given: Promise<AccessToken> | undefined
  /** Milliseconds from when it came. */
  lifetime: number
  /** UTC ms until which nobody need look at the token again. */
  freshUntil: number
  generation: number
  underWay: Promise<AccessToken> | undefined
  failures: number
  lastError: unknown
  /** UTC ms before which nothing is asked again after a failure. */
  notBefore: number
  /** UTC ms of the last refresh for a refused token. */
  rejectedAt: number
}

/** Scopes and resources kept in memory; the oldest go first. */
const mostPlaces = 1_000
const assumed = 3_300
/** Milliseconds that a reader in the mandatory window waits for a newer token before it gets the present one. */
const mandatoryWait = 2_000

const ending = new Set([
  'grant_revoked',
  'grant_paused',
  'grant_quarantined',
  'unknown_grant',
  'unauthorized',
  'forbidden',
])
const endsTokenByCode = (error: unknown): boolean => error instanceof EvertokenError && ending.has(error.code)

/**
 * A source around a function that obtains one token: gives the present one while it is good, obtains the next ahead of expiry behind
 * its readers' backs, and asks once however many wait. While that fails the present token is served as long as it lives; the next
 * try comes after a growing pause.
 *
 * ```ts
 * const source = refreshingSource(async () => ({ value: await mint(), expiresIn: 600 }))
 * ```
 *
 * @param obtain gets a token anew; must end by itself. What it throws is what readers without a token get.
 * @throws EvertokenError `invalid_configuration` for options that cannot be.
 */
export function refreshingSource(
  obtain: (wanted: WantedToken) => Promise<IssuedToken> | IssuedToken,
  options: RefreshingSourceOptions = {},
): PeekableTokenSource {
  if (typeof obtain !== 'function')
    throw new TypeError('refreshingSource takes a function that obtains a token')
  return new RefreshingSource(obtain, options)
}

class RefreshingSource implements PeekableTokenSource {
  readonly #obtain: (wanted: WantedToken) => Promise<IssuedToken> | IssuedToken
  readonly #clock: Pick<Clock, 'now' | 'sleep'>
  readonly #random: () => number
  readonly #endsToken: (error: unknown) => boolean
  /** Milliseconds. */
  readonly #refreshBefore: number | undefined
  readonly #lifetime: number
  readonly #places = new Map<string, Place>()

  constructor(
    obtain: (wanted: WantedToken) => Promise<IssuedToken> | IssuedToken,
    { refreshBefore, assumedLifetime, clock, random, endsToken }: RefreshingSourceOptions,
  ) {
    this.#obtain = obtain
    this.#clock = clock ?? wallClock
    this.#random = random ?? Math.random
    this.#endsToken = endsToken ?? endsTokenByCode
    const before = checkedSeconds(refreshBefore, 'refreshBefore')
    this.#refreshBefore = before === undefined ? undefined : before * 1000
    this.#lifetime = (checkedLifetime(assumedLifetime, 'assumedLifetime') ?? assumed) * 1000
  }

  getToken(request?: TokenRequest): Promise<AccessToken> {
    if (request === undefined) {
      const own = this.#places.get('\n')
      if (own?.given !== undefined && this.#clock.now() < own.freshUntil) return own.given
    }
    return this.#read(request ?? {})
  }

  peekToken(request?: Pick<TokenRequest, 'scope' | 'resource'>): AccessToken | undefined {
    const token = this.#places.get(nameOf(request ?? {}))?.token
    return token !== undefined && token.expiresAt > this.#clock.now() ? token : undefined
  }

  async rejected({
    generation,
    signal,
    ...wanted
  }: Parameters<TokenSource['rejected']>[0]): Promise<AccessToken> {
    signal?.throwIfAborted()
    const place = this.#place(wanted)
    const { token, lifetime } = place
    if (token === undefined || token.generation !== generation) return this.getToken({ ...wanted, signal })
    const now = this.#clock.now()
    // An API that refuses every token is no reason to ask without pause.
    if (place.underWay === undefined) {
      if (Math.abs(now - place.rejectedAt) < Math.min(60_000, lifetime / 4)) return token
      if (now < place.notBefore) return token
      place.rejectedAt = now
    }
    const newer = this.#renew(place, { ...wanted, rejected: generation }).catch(() => place.token ?? token)
    return untilAborted(newer, signal)
  }

  async #read({ minTtl = 0, signal, ...wanted }: TokenRequest): Promise<AccessToken> {
    signal?.throwIfAborted()
    const place = this.#place(wanted)
    const { token, lifetime } = place
    const now = this.#clock.now()
    if (token === undefined || token.expiresAt <= now) {
      if (place.underWay === undefined && now < place.notBefore) throw place.lastError
      return untilAborted(this.#renew(place, wanted), signal)
    }
    const left = token.expiresAt - now
    const near = freshness({ expiresAt: token.expiresAt, lifetime }, this.#refreshBefore, now)
    // More than half of a life is not insisted on: it would make every read a refresh.
    const enough = left > Math.min(minTtl * 1000, lifetime / 2)
    if (near === 'fresh' && enough) return marked(token, left, minTtl)
    const mayAsk = place.underWay !== undefined || now >= place.notBefore
    const longer = enough ? wanted : { ...wanted, minTtl }
    const newer = mayAsk ? this.#renew(place, longer).catch(() => undefined) : undefined
    if (near !== 'mandatory' && enough) return marked(token, left, minTtl)
    await untilAborted(this.#inTime(newer), signal)
    // The newer one by now, or the same; gone where it was revoked or is at its end.
    const present = place.token
    if (present === undefined || present.expiresAt <= this.#clock.now())
      return this.#read({ minTtl, signal, ...wanted })
    return marked(present, present.expiresAt - this.#clock.now(), minTtl)
  }

  async #inTime(newer: Promise<unknown> | undefined): Promise<void> {
    if (newer === undefined) return
    const over = new AbortController()
    await Promise.race([newer, this.#clock.sleep(mandatoryWait, { signal: over.signal })])
    over.abort()
  }

  /** Asks for a newer token, or joins those who do. */
  #renew(place: Place, wanted: WantedToken): Promise<AccessToken> {
    place.underWay ??= this.#obtained(place, wanted).finally(() => {
      place.underWay = undefined
    })
    // A reader who gave up, or never waited, is told of no failure; the place remembers it.
    place.underWay.catch(() => undefined)
    return place.underWay
  }

  async #obtained(place: Place, wanted: WantedToken): Promise<AccessToken> {
    try {
      const issued = await this.#obtain(wanted)
      const now = this.#clock.now()
      const token = accessTokenOf(issued, now, { lifetime: this.#lifetime, generation: place.generation + 1 })
      const lifetime = token.expiresAt - now
      const { advisory } = windows(lifetime, this.#refreshBefore)
      Object.assign(place, {
        token,
        given: Promise.resolve(token),
        lifetime,
        freshUntil: token.expiresAt - advisory,
        generation: token.generation,
        failures: 0,
        lastError: undefined,
        notBefore: 0,
      })
      return token
    } catch (error) {
      const now = this.#clock.now()
      place.failures += 1
      place.lastError = error
      const asked = error instanceof ProviderError ? error.retryAfter : undefined
      place.notBefore = now + backoff(place.failures, 'mandatory', this.#random, asked)
      if (this.#endsToken(error)) Object.assign(place, { token: undefined, given: undefined })
      throw error
    }
  }

  #place(wanted: Pick<TokenRequest, 'scope' | 'resource'>): Place {
    const name = nameOf(wanted)
    const known = this.#places.get(name)
    if (known !== undefined) return known
    if (this.#places.size >= mostPlaces) this.#places.delete(this.#places.keys().next().value as string)
    const place: Place = {
      token: undefined,
      given: undefined,
      lifetime: 0,
      freshUntil: 0,
      generation: 0,
      underWay: undefined,
      failures: 0,
      lastError: undefined,
      notBefore: 0,
      rejectedAt: Number.NEGATIVE_INFINITY,
    }
    this.#places.set(name, place)
    return place
  }
}

const marked = (token: AccessToken, left: number, minTtl: number): AccessToken =>
  left < minTtl * 1000 ? token.markedStale() : token

function nameOf(wanted: Pick<TokenRequest, 'scope' | 'resource'>): string {
  const { scope, resource } = tokenKey(wanted.scope, wanted.resource)
  return `${scope}\n${resource}`
}
