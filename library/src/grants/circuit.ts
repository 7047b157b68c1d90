/**
 * What all grants of one provider and client share, over all machines: breaker, rate, and what was learnt. Plain data,
 * stored as JSON. Times are store time in milliseconds.
 */
export interface Circuit {
  readonly breaker: Breaker
  /** Failures in a row. */
  readonly straight: number
  /** Outcomes of the present half minute. */
  readonly window: { readonly since: number; readonly failures: number; readonly total: number }
  /** Next free slot of a request that nobody waits for, and of one that somebody does. */
  readonly background: number
  readonly interactive: number
  /** `invalid_grant` of the last five minutes, one for each grant, oldest first, and how many grants were asked about. */
  readonly refusals: readonly { readonly grant: string; readonly at: number }[]
  readonly asked: { readonly since: number; readonly grants: number; readonly before: number }
  /** The provider refuses everybody: no refusal is believed before `until`. */
  readonly incident?: { readonly since: number; readonly until: number } | undefined
  /** Ages in ms at which tokens of unstated lifetime were refused; the smallest few. */
  readonly ages: readonly number[]
}

export type Breaker =
  | { readonly state: 'closed' }
  /** Nothing is sent before `until`; `times` it has opened in a row. */
  | { readonly state: 'open'; readonly until: number; readonly times: number }
  /** One grant is being tried; if nothing is heard of it until then, another may. */
  | { readonly state: 'half_open'; readonly until: number; readonly times: number }
  /** It answers again; the rush is held to a rate until then. */
  | { readonly state: 'recovering'; readonly until: number }

/** What a decision wants written: absent leaves the row. */
export interface CircuitChange<R> {
  readonly result: R
  readonly circuit?: Circuit | undefined
}
