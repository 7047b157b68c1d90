import type { IncomingHttpHeaders } from 'node:http'
import { type Answer, OAuthError } from './answer.ts'
import type { FaultQueue } from './fault.ts'
import type { ResolvedPracticeOptions } from './practice-options.ts'
import type { PracticeState } from './practice-state.ts'
import type { ProofNonces } from './proof-nonces.ts'
import type { RecordedExchanges } from './recorded-exchange.ts'
import type { OpenRecord } from './request-record.ts'
import type { NoteTruth, TruthLog } from './truth-log.ts'

/** One request that was read whole, and the record that is kept of it. */
export interface Exchange {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** The peer's address as the socket gives it. */
  readonly remoteAddress: string
  readonly record: OpenRecord
  /** For the log of the truth. */
  readonly note: NoteTruth
  /** Thumbprint of the key that it was proved with, once that was checked (RFC 9449). */
  readonly jkt?: string | undefined
}

/** What every route works on. */
export interface Practice {
  readonly options: ResolvedPracticeOptions
  readonly state: PracticeState
  readonly truth: TruthLog
  readonly faults: FaultQueue
  readonly nonces: ProofNonces
  readonly recorded: RecordedExchanges
  readonly issuer: string
  readonly tokenEndpoint: string
  /** UTC milliseconds. */
  readonly now: () => number
}

export type Route = (exchange: Exchange, practice: Practice) => Answer | Promise<Answer>

/** The parameters of a request; an empty value counts as absent (RFC 6749 section 3.1). */
export interface Parameters {
  get(name: string): string | undefined
  /** Throws `invalid_request` when it is absent. */
  need(name: string): string
  /** For the parameters that may stand more than once. */
  all(name: string): readonly string[]
}

// RFC 8707 section 2 and RFC 8693 section 2.1; every other parameter must not stand twice (RFC 6749 section 3.2).
const repeatable: ReadonlySet<string> = new Set(['resource', 'audience'])

export function readParameters(search: URLSearchParams): Parameters {
  const values = new Map<string, string[]>()
  for (const [name, value] of search) {
    if (value === '') continue
    const known = values.get(name)
    if (known === undefined) values.set(name, [value])
    else if (repeatable.has(name)) known.push(value)
    else throw new OAuthError('invalid_request', `the parameter ${printable(name)} stands more than once`)
  }
  const get = (name: string): string | undefined => values.get(name)?.[0]
  return {
    get,
    need(name) {
      const value = get(name)
      if (value === undefined) throw new OAuthError('invalid_request', `the parameter ${name} is missing`)
      return value
    },
    all: (name) => values.get(name) ?? [],
  }
}

/** The form of a POST (RFC 6749 appendix B). */
export function readForm(exchange: Exchange): Parameters {
  const type = (exchange.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded')
    throw new OAuthError('invalid_request', 'the content type must be application/x-www-form-urlencoded')
  return readParameters(new URLSearchParams(exchange.body))
}

export function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address)
}

/** Text from outside, made fit for `error_description` (RFC 6749 section 5.2). */
function printable(text: string): string {
  return text.replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?').slice(0, 100)
}
