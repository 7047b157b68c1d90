/** How a token request goes wrong. Plain data, so that it can be sent to a practice server in another process. */
export type FaultKind =
  /** Waits for `ms` milliseconds, then processes, whether or not the client is still there. */
  | { readonly kind: 'hold_request'; readonly ms: number }
  /** Processes, and sends the answer `ms` milliseconds later. */
  | { readonly kind: 'hold_answer'; readonly ms: number }
  /** Ends the connection without processing. */
  | { readonly kind: 'drop_request' }
  /** Processes and ends the connection: the answer is lost. */
  | { readonly kind: 'drop_answer' }
  /** Waits until the client has gone, though no longer than `ms`, and processes then. Default: as long as that takes. */
  | { readonly kind: 'process_when_client_gone'; readonly ms?: number | undefined }
  /** Processes, and ends the connection after so many bytes of the answer's body. */
  | { readonly kind: 'cut_answer'; readonly bytes: number }
  /** Answers with this status, 500 to 599, without processing. `retryAfter` is sent as it is. */
  | { readonly kind: 'fail_before'; readonly status: number; readonly retryAfter?: string | undefined }
  /** Processes, and answers with this status all the same. */
  | { readonly kind: 'fail_after'; readonly status: number; readonly retryAfter?: string | undefined }
  /** Processes, and sends this in place of the answer: HTML, half a JSON, an OAuth error with status 200. */
  | {
      readonly kind: 'replace_answer'
      readonly body: string
      /** Default `application/json`. */
      readonly contentType?: string | undefined
      /** Default 200. */
      readonly status?: number | undefined
    }
  /** Answers 429 without processing; `retryAfter` is sent as it is, be it nonsense. Default: no such header. */
  | { readonly kind: 'rate_limit'; readonly retryAfter?: string | undefined }
  /** Answers `invalid_grant` without processing, for `ms` milliseconds of the server's clock from when it was set. */
  | { readonly kind: 'invalid_grant'; readonly ms: number }
  /** Processes as always, with a `Date` header that is so many seconds off. */
  | { readonly kind: 'date_offset'; readonly seconds: number }

/** A fault, and which token requests it meets. */
export type PracticeFault = FaultKind & {
  /** How many token requests it meets, or `all`. Default 1, and for `invalid_grant` `all`. */
  readonly count?: number | 'all' | undefined
  /** The chance with which it meets a request, from 0 to 1. Default 1. */
  readonly probability?: number | undefined
  /** Only token requests with this `grant_type`. Default: every one. */
  readonly grantType?: string | undefined
  /** Only refreshes of this subject's logins. Default: everybody's. */
  readonly subject?: string | undefined
}

/** What decides which fault a token request meets. */
export interface FaultTarget {
  readonly grantType: string | undefined
  /** Whose refresh token it presents, where it presents one that is known. */
  readonly subject: string | undefined
}

interface QueuedFault {
  readonly fault: PracticeFault
  readonly setAt: number
  left: number
}

/** The faults that are still to come. The first that fits a request is the one that it meets. */
export class FaultQueue {
  #queue: QueuedFault[] = []
  readonly #random: () => number

  /** @param seed makes the draws of `probability` the same in each run */
  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  add(fault: PracticeFault, now: number): void {
    checkFault(fault)
    const count = fault.count ?? (fault.kind === 'invalid_grant' ? 'all' : 1)
    this.#queue.push({ fault, setAt: now, left: count === 'all' ? Number.POSITIVE_INFINITY : count })
  }

  clear(): void {
    this.#queue = []
  }

  /** The fault that a request meets, and takes out of the queue. */
  take({ grantType, subject }: FaultTarget, now: number): PracticeFault | undefined {
    this.#queue = this.#queue.filter(({ fault, setAt, left }) => left > 0 && !isOver(fault, setAt, now))
    const met = this.#queue.find(
      ({ fault }) =>
        (fault.grantType === undefined || fault.grantType === grantType) &&
        (fault.subject === undefined || fault.subject === subject) &&
        // Drawn only where it decides something, so that faults without a chance do not shift the draws.
        (fault.probability === undefined || this.#random() < fault.probability),
    )
    if (met === undefined) return undefined
    met.left -= 1
    return met.fault
  }
}

function isOver(fault: PracticeFault, setAt: number, now: number): boolean {
  return fault.kind === 'invalid_grant' && now >= setAt + fault.ms
}

/** What comes over HTTP has no type. Throws a `TypeError` that says which value is wrong. */
export function checkFault(fault: PracticeFault): void {
  const { count = 1, probability = 1 } = fault
  if (count !== 'all' && !(Number.isInteger(count) && count > 0))
    throw new TypeError(`fault count must be a whole number above 0, or all, not ${count}`)
  if (!(probability >= 0 && probability <= 1))
    throw new TypeError(`fault probability must be from 0 to 1, not ${probability}`)
  switch (fault.kind) {
    case 'hold_request':
    case 'hold_answer':
    case 'invalid_grant':
      inRange(fault.kind, 'ms', fault.ms, 0, 2 ** 31 - 1)
      return
    case 'cut_answer':
      inRange(fault.kind, 'bytes', fault.bytes, 0, Number.MAX_SAFE_INTEGER)
      return
    case 'fail_before':
    case 'fail_after':
      inRange(fault.kind, 'status', fault.status, 500, 599)
      printable(fault.kind, 'retryAfter', fault.retryAfter)
      return
    case 'replace_answer':
      inRange(fault.kind, 'status', fault.status ?? 200, 200, 599)
      printable(fault.kind, 'contentType', fault.contentType)
      if (typeof fault.body !== 'string') throw new TypeError('fault replace_answer: body must be text')
      return
    case 'date_offset':
      inRange(fault.kind, 'seconds', fault.seconds, -1e9, 1e9)
      return
    case 'rate_limit':
      printable(fault.kind, 'retryAfter', fault.retryAfter)
      return
    case 'drop_request':
    case 'drop_answer':
      return
    case 'process_when_client_gone':
      if (fault.ms !== undefined) inRange(fault.kind, 'ms', fault.ms, 0, 2 ** 31 - 1)
      return
    default:
      throw new TypeError(`unknown fault ${JSON.stringify(Object(fault satisfies never).kind)}`)
  }
}

function inRange(kind: string, name: string, value: number, least: number, most: number): void {
  if (!(Number.isInteger(value) && value >= least && value <= most))
    throw new TypeError(
      `fault ${kind}: ${name} must be a whole number from ${least} to ${most}, not ${value}`,
    )
}

/** A header's value, if it is given. */
function printable(kind: string, name: string, value: string | undefined): void {
  if (value !== undefined && !(typeof value === 'string' && /^[\t\x20-\x7e]*$/.test(value)))
    throw new TypeError(`fault ${kind}: ${name} must be printable text`)
}

/** Mulberry32: 32 bits of state are plenty for drawing faults, and a run can be had again by its seed. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
