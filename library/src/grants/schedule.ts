import type { LifetimeFacts } from './lifetime-facts.ts'

/** The two windows before a token's expiry, in milliseconds. */
export interface Windows {
  /** From here on somebody refreshes; readers still get the present token. */
  readonly advisory: number
  /** From here on readers wait for the new token. */
  readonly mandatory: number
}

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high)

/**
 * The windows of a token that lives `lifetime` ms. `refreshBefore` (ms) replaces the advisory window; no window is
 * ever more than half of the lifetime, or a token would be due the moment it arrives. Where the old token dies at a
 * refresh there is nothing to serve meanwhile: it lives until the mandatory window, unless `refreshBefore` is given.
 */
export function windows(lifetime: number, refreshBefore?: number, oldTokenDies = false): Windows {
  const half = lifetime / 2
  const mandatory = Math.min(clamp(0.1 * lifetime, 20_000, 300_000), lifetime / 4)
  const usual = oldTokenDies ? mandatory : clamp(0.2 * lifetime, 60_000, 900_000)
  const advisory = Math.min(refreshBefore ?? usual, half)
  return { advisory, mandatory: Math.min(mandatory, advisory) }
}

/** Milliseconds between two successes: a provider whose tokens come expired is not asked without pause. */
export const shortestRest = 250

/**
 * 0 up to 1, the same for the same id: grants added together do not come due together. FNV-1a, and the last step of
 * MurmurHash3, without which names that end in a number lie close together.
 */
export function spread(id: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

interface Lived {
  /** UTC ms. */
  readonly expiresAt: number
  /** Milliseconds. */
  readonly lifetime: number
}

/** Milliseconds from now until a token is to be refreshed; never negative. */
export function untilDue(
  token: Lived,
  policy: {
    readonly id: string
    readonly refreshBefore?: number | undefined
    readonly facts?: Pick<LifetimeFacts, 'oldTokenDies'> | undefined
  },
  now: number,
): number {
  const { advisory } = windows(token.lifetime, policy.refreshBefore, policy.facts?.oldTokenDies)
  const ahead = Math.min(advisory * (1 + 0.25 * spread(policy.id)), token.lifetime / 2)
  return Math.max(0, token.expiresAt - now - ahead)
}

/** Where a token stands in its life. Never stored: always derived from its expiry. */
export type Freshness = 'fresh' | 'advisory' | 'mandatory' | 'expired'

export function freshness(
  token: Lived,
  refreshBefore: number | undefined,
  now: number,
  oldTokenDies = false,
): Freshness {
  const left = token.expiresAt - now
  if (left <= 0) return 'expired'
  const { advisory, mandatory } = windows(token.lifetime, refreshBefore, oldTokenDies)
  if (left <= mandatory) return 'mandatory'
  return left <= advisory ? 'advisory' : 'fresh'
}

/** Caps of the backoff: the closer the need, the more often; after expiry nobody is served by hurry. */
const backoffCap = { fresh: 300_000, advisory: 300_000, mandatory: 60_000, expired: 1_800_000 } as const
const longestRetryAfter = 3_600_000
/** Full jitter may draw zero; a refused request is never repeated at once. */
const shortestBackoff = 250

/**
 * Milliseconds to wait after `failures` failures in a row (1 = the first): full jitter over an exponential, at least
 * what the provider asked for (`retryAfter` seconds, capped at an hour, plus up to a fifth). `random` gives 0 to 1.
 */
export function backoff(
  failures: number,
  near: Freshness,
  random: () => number,
  retryAfter?: number | undefined,
): number {
  const ceiling = Math.min(backoffCap[near], 1000 * 2 ** Math.min(failures, 20))
  const drawn = Math.max(shortestBackoff, random() * ceiling)
  if (retryAfter === undefined) return drawn
  const asked = Math.min(retryAfter * 1000, longestRetryAfter)
  return Math.max(drawn, asked * (1 + 0.2 * random()))
}
