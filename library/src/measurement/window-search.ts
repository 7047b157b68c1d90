/** What is known of a reuse window, in ms since the first use. */
export interface WindowBounds {
  /** The longest wait after which the used refresh token still worked. */
  readonly open: number
  /** The shortest after which it was refused; absent while it never was. */
  readonly closed?: number | undefined
}

/** In ms. */
export interface WindowLimits {
  /** No wait is longer. */
  readonly longest: number
  /** The search ends once the bounds are this close. */
  readonly precision: number
}

/**
 * The next wait worth trying, or undefined when the search is over: doubled until the window was found closed, then halfway
 * between the bounds, in whole steps of the precision. Pure.
 */
export function nextWait(
  { open, closed }: WindowBounds,
  { longest, precision }: WindowLimits,
): number | undefined {
  if (closed === undefined) {
    if (open >= longest) return undefined
    return Math.min(longest, Math.max(precision, open * 2))
  }
  if (closed - open <= precision) return undefined
  const half = Math.round((open + (closed - open) / 2) / precision) * precision
  // Bounds off the grid (the longest wait is any number) must not bring one of them back.
  return half > open && half < closed ? half : open + precision
}
