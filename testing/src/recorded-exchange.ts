import { type Answer, jsonAnswer } from './answer.ts'
import type { Exchange } from './exchange.ts'

/** A request as a provider wants it and what it answers to that: plain data, as documentation shows it. */
export interface RecordedExchange {
  readonly request: RecordedRequest
  readonly answer: RecordedAnswer
  /** How many requests it answers; then the next that fits does. Default: all. */
  readonly times?: number | undefined
}

export interface RecordedRequest {
  /** Default `POST`. */
  readonly method?: 'POST' | 'GET' | undefined
  /** Without the query. */
  readonly path: string
  /** Where the parameters stand; default `form`, of a GET `query`. */
  readonly body?: 'form' | 'json' | 'query' | undefined
  /** Neither more nor fewer than these; `*` stands for any value. */
  readonly parameters: Readonly<Record<string, string>>
  /** Those that matter, by their lower-case names; `*` stands for any value, and null for none at all. */
  readonly headers?: Readonly<Record<string, string | null>> | undefined
}

export interface RecordedAnswer {
  /** Default 200. */
  readonly status?: number | undefined
  /** Default: JSON, or `text/html` where the body is a text. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /**
   * A text is sent as it is, all else as JSON. `{epoch_s+3600}`, `{epoch_ms+3600}` and `{iso8601+3600}` in it stand for the moment so
   * many seconds after the answer; as a whole value of JSON the first two are numbers.
   */
  readonly body: unknown
}

/** What a request would have to have been, by name: values of a request may be secrets. */
interface Difference {
  readonly exchange: RecordedExchange
  readonly found: readonly string[]
}

/** The exchanges that a server was given, each with how often it may still be used. */
export class RecordedExchanges {
  readonly #left: { readonly exchange: RecordedExchange; times: number }[]

  /** Throws a `TypeError` that says which one makes no sense. */
  constructor(exchanges: readonly RecordedExchange[]) {
    for (const [at, exchange] of exchanges.entries()) checkExchange(`recorded.${at}`, exchange)
    this.#left = exchanges.map((exchange) => ({
      exchange,
      times: exchange.times ?? Number.POSITIVE_INFINITY,
    }))
  }

  /**
   * The answer of the first that a request fits. One that fits none, though its path stands in some, is answered with status 501, and
   * what sets it apart from the one that comes nearest is in the answer and in the record. `undefined` for every other path.
   *
   * @param now UTC ms.
   */
  answer(exchange: Exchange, now: number): Answer | undefined {
    const here = this.#left.filter((one) => one.exchange.request.path === exchange.path)
    if (here.length === 0) return undefined
    const fitting = here.find(
      (one) => one.times > 0 && differences(one.exchange.request, exchange).length === 0,
    )
    if (fitting === undefined) return unexpected(nearest(here, exchange), exchange)
    fitting.times -= 1
    exchange.record.outcome = 'recorded'
    return written(fitting.exchange.answer, now)
  }
}

function nearest(
  all: readonly { readonly exchange: RecordedExchange; readonly times: number }[],
  exchange: Exchange,
): Difference {
  const [first] = all
    .map(({ exchange: recorded, times }) => {
      const found = differences(recorded.request, exchange)
      return { exchange: recorded, found: times > 0 ? found : [...found, 'it was used up'] }
    })
    .sort((a, b) => a.found.length - b.found.length)
  return first as Difference
}

function unexpected({ found }: Difference, { record }: Exchange): Answer {
  record.outcome = 'unexpected'
  record.reason = found.join('; ')
  return jsonAnswer(501, { error: 'unexpected_request', error_description: record.reason })
}

/** Names that a client made up may be anything. */
const plainName = /^[\w.:-]{1,60}$/

function differences(request: RecordedRequest, exchange: Exchange): readonly string[] {
  const { method = 'POST', parameters, headers = {} } = request
  const body = request.body ?? (method === 'GET' ? 'query' : 'form')
  const found: string[] = []
  if (exchange.method !== method) found.push(`the method is not ${method}`)
  const sent = sentIn(body, exchange)
  if (sent === undefined) found.push(`the body is no ${body}`)
  else {
    if (body !== 'query' && [...exchange.query.keys()].length > 0) found.push('there is a query')
    for (const [name, value] of Object.entries(parameters))
      if (!Object.hasOwn(sent, name)) found.push(`the parameter ${name} is missing`)
      else if (value !== '*' && sent[name] !== value) found.push(`the parameter ${name} is another`)
    for (const name of Object.keys(sent))
      if (!Object.hasOwn(parameters, name))
        found.push(`the parameter ${plainName.test(name) ? name : '…'} is too many`)
  }
  for (const [name, value] of Object.entries(headers)) {
    const there = exchange.headers[name]
    if (value === null ? there !== undefined : there === undefined || (value !== '*' && there !== value))
      found.push(`the header ${name} is ${there === undefined ? 'missing' : 'another'}`)
  }
  return found
}

/** The parameters of a request that has them there, and nowhere else. */
function sentIn(
  body: 'form' | 'json' | 'query',
  exchange: Exchange,
): Readonly<Record<string, unknown>> | undefined {
  const type = exchange.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  switch (body) {
    case 'query':
      return exchange.body === '' ? Object.fromEntries(exchange.query) : undefined
    case 'form':
      return type === 'application/x-www-form-urlencoded'
        ? Object.fromEntries(new URLSearchParams(exchange.body))
        : undefined
    case 'json':
      return type === 'application/json' ? jsonObject(exchange.body) : undefined
    default:
      return body satisfies never
  }
}

function jsonObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? { ...(value as Record<string, unknown>) }
      : undefined
  } catch {
    return undefined
  }
}

const moments = /("?)\{(epoch_s|epoch_ms|iso8601)\+(\d{1,10})\}("?)/g

function written({ status = 200, headers, body }: RecordedAnswer, now: number): Answer {
  const isText = typeof body === 'string'
  const text = (isText ? body : JSON.stringify(body)).replace(
    moments,
    (_, before: string, format: string, seconds: string, after: string) => {
      const at = now + Number(seconds) * 1000
      if (format === 'iso8601') return `${before}${new Date(at).toISOString()}${after}`
      const number = String(format === 'epoch_s' ? Math.floor(at / 1000) : at)
      return before !== '' && after !== '' ? number : `${before}${number}${after}`
    },
  )
  const type = isText ? 'text/html; charset=utf-8' : 'application/json'
  return { status, headers: headers ?? { 'content-type': type }, body: text }
}

const known = {
  exchange: new Set(['request', 'answer', 'times']),
  request: new Set(['method', 'path', 'body', 'parameters', 'headers']),
  answer: new Set(['status', 'headers', 'body']),
}

/** What comes from a file has no type. */
function checkExchange(path: string, exchange: RecordedExchange): void {
  checkKeys(path, exchange, known.exchange)
  const { request, answer, times } = exchange
  checkKeys(`${path}.request`, request, known.request)
  checkKeys(`${path}.answer`, answer, known.answer)
  const { method = 'POST', body = 'form', parameters } = request
  if (typeof request.path !== 'string' || !request.path.startsWith('/'))
    throw new TypeError(`${path}.request.path must begin with a slash`)
  if (request.path.startsWith('/practice/'))
    throw new TypeError(`${path}.request.path is one of the practice server's own`)
  if (method !== 'POST' && method !== 'GET')
    throw new TypeError(`${path}.request.method must be POST or GET, not ${String(method)}`)
  if (!['form', 'json', 'query'].includes(body))
    throw new TypeError(`${path}.request.body must be form, json or query, not ${String(body)}`)
  if (method === 'GET' && request.body !== undefined && body !== 'query')
    throw new TypeError(`${path}.request.body of a GET must be query`)
  if (typeof parameters !== 'object' || parameters === null)
    throw new TypeError(`${path}.request.parameters must be an object`)
  for (const [name, value] of Object.entries(parameters))
    if (typeof value !== 'string')
      throw new TypeError(`${path}.request.parameters.${name} must be a text; * stands for any`)
  for (const name of Object.keys(request.headers ?? {}))
    if (name !== name.toLowerCase()) throw new TypeError(`${path}.request.headers.${name} must be lower case`)
  const { status = 200 } = answer
  if (!Number.isInteger(status) || status < 200 || status > 599)
    throw new TypeError(`${path}.answer.status must be from 200 to 599, not ${String(status)}`)
  if (answer.body === undefined) throw new TypeError(`${path}.answer.body is missing`)
  if (times !== undefined && !(Number.isInteger(times) && times > 0))
    throw new TypeError(`${path}.times must be a whole number above 0, not ${String(times)}`)
}

function checkKeys(path: string, value: unknown, allowed: ReadonlySet<string>): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${path} must be an object`)
  const unknown = Object.keys(value).find((name) => !allowed.has(name))
  if (unknown !== undefined)
    throw new TypeError(`${path}.${unknown} is not known; there are ${[...allowed].join(', ')}`)
}
