import { type Clock, wallClock } from '../clock.ts'
import { EvertokenError, ReauthorizationRequiredError } from '../errors.ts'
import { checkedGrant, type GrantDefinition } from '../grants/definition.ts'
import { needsLogin, tokenKey } from '../grants/grant.ts'
import { adviceOn, type FailedOutcome, failureError, judge } from '../grants/outcome.ts'
import { defaultTiming } from '../grants/timing.ts'
import { checkFacts } from '../grants/timing-check.ts'
import { sendTokenMessage } from '../grants/token-message.ts'
import type { TokenPayload } from '../grants/token-payload.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import type { Transport } from '../oauth/transport.ts'
import type { Secret } from '../secret.ts'
import { fetchTransport } from './fetch-transport.ts'
import type { IssuedToken } from './issued-token.ts'
import {
  type PeekableTokenSource,
  type RefreshingSourceOptions,
  refreshingSource,
  type WantedToken,
} from './refreshing-source.ts'
import type { SavedTokens } from './saved-tokens.ts'
import { sourceName } from './source-grant.ts'

export interface LightTokenSourceOptions extends Pick<RefreshingSourceOptions, 'clock' | 'random'> {
  /**
   * Awaited with every new token before anybody gets it. Must return only once it is durable; when it throws, it is called again at
   * the next read, and readers without a token are told `store_unavailable` in the meantime.
   */
  save?: ((tokens: SavedTokens) => Promise<void>) | undefined
  /** Says that losing a rotated refresh token at exit is understood; else a strict grant without `save` is refused. */
  ephemeral?: boolean | undefined
  /** What sends. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined
  /** In place of one over `fetch`. */
  transport?: Transport | undefined
}

/** Milliseconds that discovered endpoints are believed. */
const believedFor = 3_600_000

/**
 * The token source of `evertoken/fetch`: access tokens for one program on any runtime that has `fetch`, with no Node built-ins, no
 * store and no keeper. It refreshes ahead of expiry and asks once however many wait; a refresh token is spent by one request at a time,
 * and after a request without an answer a strict one is left alone for two minutes. Nobody else may spend the same refresh token: a
 * process that is killed between the answer and `save` loses it, which a keeper does not.
 *
 * ```ts
 * import { authorizedFetch, clientCredentials, tokenSource } from 'evertoken/fetch'
 * const api = authorizedFetch(tokenSource(clientCredentials({ tokenUrl, clientId, clientSecret })))
 * ```
 *
 * @throws EvertokenError `invalid_configuration` for a grant that needs a person's login, or has dpop; `store_not_durable` when the refresh token
 *   may rotate and there is nowhere to save it. A read rejects as that of a keeper does.
 */
export function tokenSource(
  definition: GrantDefinition,
  options: LightTokenSourceOptions = {},
): PeekableTokenSource {
  const { grantType, facts, client } = checkedGrant(definition, 'tokenSource')
  checkFacts(facts, defaultTiming)
  const { save, ephemeral = false, clock, random } = options
  if (needsLogin(grantType))
    throw new EvertokenError('invalid_configuration', 'the login of a person needs a keeper', {
      advice:
        'Use Keeper of evertoken, a broker with brokerSource, or refreshToken with a login that there is.',
    })
  if (client.dpop === true)
    throw new EvertokenError(
      'invalid_configuration',
      'a key that tokens are bound to (dpop) needs a keeper',
      {
        advice: 'Use Keeper or tokenSource of evertoken, or leave dpop out where the provider lets you.',
      },
    )
  if (facts.replayClass !== 'non_rotating' && save === undefined && !ephemeral)
    throw new EvertokenError(
      'store_not_durable',
      'the refresh token may rotate, and there is nowhere to save the new one',
      {
        advice: 'Give save, or ephemeral: true if losing the login at exit is all right.',
      },
    )
  const login = new Login(definition, options)
  return refreshingSource((wanted) => login.obtain(wanted), {
    clock,
    random,
    refreshBefore: definition.refreshBefore,
    assumedLifetime: definition.assumedLifetime,
  })
}

/** What one grant holds in this process, and its one request at a time. */
class Login {
  readonly #definition: GrantDefinition
  readonly #clock: Pick<Clock, 'now'>
  readonly #transport: Transport
  readonly #save: LightTokenSourceOptions['save']
  #held: Secret | undefined
  /** What the last answer brought, of which the next may leave out what has not changed. */
  #before: TokenPayload | undefined
  /** Bought and not saved yet: nobody has it. */
  #unsaved: { readonly key: string; readonly token: IssuedToken; readonly saved: SavedTokens } | undefined
  #server: { readonly metadata: ServerMetadata; readonly until: number } | undefined
  #refusals = 0
  #over: ReauthorizationRequiredError | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(definition: GrantDefinition, { clock, transport, fetch: send, save }: LightTokenSourceOptions) {
    this.#definition = definition
    this.#clock = clock ?? wallClock
    this.#transport = transport ?? fetchTransport({ fetch: send })
    this.#save = save
    this.#held = definition.refreshToken
  }

  /** One after the other, whatever scope each is for: they spend the same refresh token. */
  obtain(wanted: WantedToken): Promise<IssuedToken> {
    const next = this.#last.then(() => this.#obtain(wanted))
    this.#last = next.catch(() => undefined)
    return next
  }

  async #obtain(wanted: WantedToken): Promise<IssuedToken> {
    const key = tokenKey(wanted.scope, wanted.resource)
    const name = `${key.scope}\n${key.resource}`
    const left = this.#unsaved
    if (left !== undefined) {
      await this.#saveAll(left)
      if (left.key === name) return left.token
    }
    if (this.#over !== undefined) throw this.#over
    const askedAt = this.#clock.now()
    // Before anything is sent: an answer whose reading had to be fetched first could be lost.
    const metadata = await import('../grants/metadata.ts')
    const answer = await sendTokenMessage(
      {
        server: await this.#serverOf(askedAt),
        definition: this.#definition,
        held: this.#held,
        key,
        deadline: defaultTiming.deadline,
      },
      { transport: this.#transport, clock: this.#clock },
    )
    const outcome = judge(answer, this.#definition.facts.replayClass)
    if (outcome.verdict !== 'ok') throw this.#failure(outcome)
    this.#refusals = 0
    const token = this.#issued(outcome.response, key.scope, askedAt, metadata)
    this.#held = outcome.response.refreshToken ?? this.#held
    const bought = { key: name, token, saved: this.#savedOf(token, askedAt) }
    this.#unsaved = bought
    await this.#saveAll(bought)
    return token
  }

  #issued(
    response: TokenResponse,
    asked: string,
    askedAt: number,
    { besideToken }: typeof import('../grants/metadata.ts'),
  ): IssuedToken {
    const { accessToken, tokenType, expiresIn, jwtExpiresAt, scope } = response
    const { scope: own, assumedLifetime, facts } = this.#definition
    const fromJwt = jwtExpiresAt === undefined ? 0 : jwtExpiresAt * 1000 - askedAt
    const assumed = assumedLifetime === undefined ? defaultTiming.assumedLifetime : assumedLifetime * 1000
    const lifetime = expiresIn !== undefined ? expiresIn * 1000 : fromJwt > 0 ? fromJwt : assumed
    const value = accessToken.reveal()
    const { metadata } = besideToken(this.#definition, response, this.#held, this.#before)
    this.#before = { value, metadata }
    return {
      value,
      type: tokenType,
      expiresAt: askedAt + lifetime,
      scope: scope ?? (asked === '' ? own : asked),
      metadata,
      presentation: facts.api,
    }
  }

  #savedOf({ value, type, expiresAt, scope, metadata = {} }: IssuedToken, askedAt: number): SavedTokens {
    return {
      refreshToken: this.#held?.reveal(),
      accessToken: value,
      obtainedAt: askedAt,
      expiresAt: expiresAt ?? askedAt,
      tokenType: type ?? 'Bearer',
      scope: typeof scope === 'string' ? scope.split(' ') : (scope ?? []),
      metadata,
    }
  }

  async #saveAll({ saved }: { readonly saved: SavedTokens }): Promise<void> {
    try {
      await this.#save?.(saved)
    } catch (cause) {
      throw new EvertokenError('store_unavailable', 'the new token cannot be saved yet', {
        cause,
        advice: 'It is used as soon as save returns; see the cause.',
      })
    }
    this.#unsaved = undefined
  }

  async #serverOf(now: number): Promise<ServerMetadata> {
    const { provider, insecureHttp, privateNetwork } = this.#definition.client
    if (provider.kind === 'endpoints') return provider.metadata
    if (this.#server !== undefined && now < this.#server.until) return this.#server.metadata
    const { discover } = await import('../oauth/discovery.ts')
    const wire = { transport: this.#transport, now: this.#clock.now, deadline: defaultTiming.deadline }
    const metadata = await discover(provider.issuer, { insecureHttp, privateNetwork }, wire)
    this.#server = { metadata, until: now + believedFor }
    return metadata
  }

  /** The error of an answer that brought no token, with how long nothing is to be sent. */
  #failure(outcome: FailedOutcome): EvertokenError {
    const { failure, verdict } = outcome
    const { facts, grantType } = this.#definition
    const id = sourceName(this.#definition)
    const errorOf = (seconds: number): EvertokenError =>
      failureError(
        id,
        { ...failure, at: this.#clock.now() },
        seconds,
        adviceOn({ id, grantType }, failure.code),
      )
    let wait = failure.retryAfter ?? 0
    if (verdict === 'ambiguous') {
      this.#held = outcome.refreshToken ?? this.#held
      // The refresh token may be spent, and sending it again may end the login.
      if (facts.replayClass === 'strict' && outcome.refreshToken === undefined)
        wait = Math.max(wait, (facts.quiescence ?? defaultTiming.quiescence) / 1000)
    }
    if (verdict === 'rejected' && grantType === 'refresh_token') {
      const confirmation = defaultTiming.confirmations[this.#refusals]
      this.#refusals += 1
      if (outcome.person || confirmation === undefined) {
        this.#over = new ReauthorizationRequiredError(
          'reauthorization_required',
          `grant ${id}: ${failure.message}`,
          {
            grant: id,
            cause: errorOf(0),
            advice: adviceOn({ id, grantType }, 'reauthorization_required'),
          },
        )
        return this.#over
      }
      wait = Math.max(wait, confirmation / 1000)
    }
    return errorOf(wait)
  }
}
