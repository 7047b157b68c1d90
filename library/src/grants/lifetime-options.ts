import { type GrantType, mints } from './grant.ts'
import {
  isWindowed,
  type LifetimeFacts,
  type LoginLimit,
  type ReplayClass,
  replayClasses,
} from './lifetime-facts.ts'
import { checkedLifetime, checkedSeconds, checkedUrl, invalid } from './option-check.ts'

/** How a provider treats the tokens of a login, as users write it. Times in seconds. */
export interface LifetimeOptions {
  /** What the provider does with a used refresh token that comes again; default `strict`, the safe one. */
  replayClass?: ReplayClass | undefined
  /** How long after its first use a refresh token may come again; `idempotent`, `last_child_wins` and `fork` need it. */
  reuseWindow?: number | undefined
  /** How long a request that got no answer is waited for where sending it again could end the login. Default 120, at least 15. */
  quiescence?: number | undefined
  /** The access token before dies as soon as a new one is issued: readers wait instead of taking it. Default false. */
  oldTokenDies?: boolean | undefined
  /**
   * A GET of the provider's API that changes nothing. With `oldTokenDies` it tells, by 401 or 2xx to the old access
   * token, whether a refresh that got no answer was carried out.
   */
  canary?: string | undefined
  /** Introspection (RFC 7662) of a refresh token changes nothing at this provider and may serve as that probe. Default false. */
  introspection?: boolean | undefined
  /** A refresh token dies this long after the login, however often it is used. */
  refreshTokenLifetime?: number | undefined
  /** A refresh token dies when it was not used for this long. */
  refreshTokenIdle?: number | undefined
  /**
   * The provider refuses a refresh that comes sooner than this after the one before: nothing is sent until then, and who
   * insists gets `refresh_too_soon`. Default: none.
   */
  minimumAge?: number | undefined
  /**
   * More logins than `count`, and the provider ends the oldest; `per` says of what, for people. Nothing is refused because of it:
   * `crowdedLogins` tells which grants are too many.
   */
  loginLimit?: { readonly count: number; readonly per?: string | undefined } | undefined
  /** `ahead` of expiry, by a worker; or `on_demand`, when somebody reads. Default `ahead`. */
  refresh?: 'ahead' | 'on_demand' | undefined
  /** The most token requests a second for the client, over all machines. Default: no limit while the provider is well. */
  refreshRate?: number | undefined
}

const milliseconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1000

/**
 * The facts of a grant's definition, frozen.
 *
 * @param introspectable whether it is known where to introspect.
 * @throws EvertokenError `invalid_configuration` for what cannot be, or would be without effect.
 */
export function lifetimeFacts(
  grantType: GrantType,
  options: LifetimeOptions,
  introspectable: boolean,
): LifetimeFacts {
  const stated = options.replayClass ?? 'strict'
  if (!replayClasses.includes(stated))
    throw invalid(
      `replayClass ${String(stated)} is not known`,
      `The classes are ${replayClasses.join(', ')}.`,
    )
  // Nothing is rotated where each token is minted.
  const facts: LifetimeFacts = {
    replayClass: mints(grantType) ? 'non_rotating' : stated,
    reuseWindow: mints(grantType) ? 0 : reuseWindow(stated, options.reuseWindow),
    quiescence: milliseconds(checkedLifetime(options.quiescence, 'quiescence')),
    oldTokenDies: options.oldTokenDies ?? false,
    canary: options.canary === undefined ? undefined : checkedUrl(options.canary, 'canary'),
    introspection: options.introspection ?? false,
    refreshTokenLifetime: milliseconds(checkedLifetime(options.refreshTokenLifetime, 'refreshTokenLifetime')),
    refreshTokenIdle: milliseconds(checkedLifetime(options.refreshTokenIdle, 'refreshTokenIdle')),
    minimumAge: milliseconds(checkedSeconds(options.minimumAge, 'minimumAge')),
    loginLimit: loginLimit(options.loginLimit),
    refresh: options.refresh ?? 'ahead',
    refreshRate: rate(options.refreshRate),
  }
  if (facts.refresh !== 'ahead' && facts.refresh !== 'on_demand')
    throw invalid(`refresh ${String(facts.refresh)} is not known`, 'Write ahead or on_demand.')
  // A provider that lets the old token live would answer "still good" about a refresh token that is spent.
  if (facts.canary !== undefined && !facts.oldTokenDies)
    throw invalid(
      'canary says nothing where the old access token lives on',
      'Set oldTokenDies if the provider kills the old access token at each refresh; else leave canary out.',
    )
  if (facts.introspection && !introspectable)
    throw invalid('introspection needs an introspectionUrl or an issuer that names one')
  return Object.freeze(facts)
}

function reuseWindow(replayClass: ReplayClass, seconds: number | undefined): number {
  const window = checkedSeconds(seconds, 'reuseWindow') ?? 0
  const windowed = isWindowed({ replayClass })
  if (windowed && window === 0)
    throw invalid(
      `replayClass ${replayClass} needs a reuseWindow`,
      'Give the seconds in which a used refresh token may come again, or leave the class strict.',
    )
  if (!windowed && window > 0)
    throw invalid(
      `reuseWindow has no effect with replayClass ${replayClass}`,
      'Say what a used refresh token does within it: idempotent, last_child_wins or fork.',
    )
  return window * 1000
}

function loginLimit(limit: LifetimeOptions['loginLimit']): LoginLimit | undefined {
  if (limit === undefined) return undefined
  const { count, per = 'user and client' } = limit
  if (Number.isInteger(count) && count > 0) return Object.freeze({ count, per })
  throw invalid(`loginLimit must be a whole number of logins above 0, not ${String(count)}`)
}

function rate(value: number | undefined): number | undefined {
  if (value === undefined || (typeof value === 'number' && Number.isFinite(value) && value > 0)) return value
  throw invalid(`refreshRate must be a number of requests a second above 0, not ${String(value)}`)
}
