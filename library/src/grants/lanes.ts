/**
 * The slots in which requests to one provider leave, when they are held to a rate. Slots lie one interval apart; every
 * fifth is kept for requests that somebody waits for, who may take the others as well. A slot is given once, so
 * no second ever holds more slots than the rate allows. Plain data; times are store time in milliseconds.
 */
export interface Lanes {
  /** Where slot 0 lies. */
  readonly anchor: number
  /** Between two slots. */
  readonly interval: number
  /** The first slot that may still be free for a request that nobody waits for, and for one that somebody does. */
  readonly background: number
  readonly interactive: number
  /** When the last slot that was given lies. */
  readonly latest: number
}

export type Slot =
  | { readonly kind: 'slot'; readonly at: number; readonly lanes: Lanes }
  /** The next slot lies further away than the request may wait: nothing is taken. */
  | { readonly kind: 'full'; readonly until: number }

const cycle = 5

/**
 * Requests leave a moment after their slot, some sooner than others: slots a little further apart than the rate asks for
 * keep that from adding up to one request too many in a second.
 */
const margin = 1.05

/** Milliseconds between two slots at `rate` requests a second. */
export const intervalOf = (rate: number): number => (1000 / rate) * margin

/** A queue is as long as requests wait, which is seconds: what lies further ahead was written by a clock that is wrong. */
const furthest = 60_000

/** The next free slot at `rate` requests a second, if it lies at most `longest` ms away. */
export function takeSlot(
  lanes: Lanes | undefined,
  rate: number,
  now: number,
  { interactive, longest }: { readonly interactive: boolean; readonly longest: number },
): Slot {
  const grid = gridAt(lanes, intervalOf(rate), now)
  const reached = Math.max(0, Math.ceil((now - grid.anchor) / grid.interval))
  const common = nextCommon(Math.max(grid.background, reached))
  const kept = nextKept(Math.max(grid.interactive, reached))
  const index = interactive ? Math.min(common, kept) : common
  const at = Math.max(now, grid.anchor + index * grid.interval)
  if (at - now > longest) return { kind: 'full', until: at }
  return {
    kind: 'slot',
    at,
    lanes: {
      ...grid,
      background: index === common ? index + 1 : grid.background,
      interactive: index === kept ? index + 1 : grid.interactive,
      latest: Math.max(at, grid.latest),
    },
  }
}

const isKept = (index: number): boolean => index % cycle === cycle - 1
const nextCommon = (from: number): number => (isKept(from) ? from + 1 : from)
const nextKept = (from: number): number => from + (cycle - 1 - (from % cycle))

/** Whoever comes when the last slot is over waits for nobody: the slots begin anew with them. */
function gridAt(lanes: Lanes | undefined, interval: number, now: number): Lanes {
  const from = (anchor: number): Lanes => ({
    anchor,
    interval,
    background: 0,
    interactive: 0,
    latest: anchor,
  })
  if (lanes === undefined || lanes.latest > now + furthest + cycle * lanes.interval) return from(now)
  const free = lanes.latest + Math.max(lanes.interval, interval)
  if (now >= free) return from(now)
  return lanes.interval === interval ? lanes : from(free)
}
