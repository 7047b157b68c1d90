import { tokensIn } from './answer-members.ts'
import { isJsonObject, parseJson } from './json-object.ts'
import { printable } from './printable.ts'
import { type Transport, WireError, type WireRequest, type WireResponse } from './transport.ts'

/** Values that may be read by anybody, once the secrets of the exchange are taken out of them. */
const shown = new Set(
  (
    'grant_type response_type scope resource audience token_type expires_in refresh_token_expires_in error ' +
    'error_description issuer token_endpoint authorization_endpoint revocation_endpoint introspection_endpoint ' +
    'device_authorization_endpoint verification_uri interval pushed_authorization_request_endpoint ' +
    'client_id code_challenge_method client_assertion_type requested_token_type subject_token_type ' +
    'issued_token_type token_type_hint active exp accept accept-encoding content-type content-length ' +
    'content-encoding user-agent date retry-after cache-control'
  ).split(' '),
)

/** What API gateways say inside of `error` in place of its code and description. */
const errorWords = new Set(['message', 'type', 'status', 'code'])

/** Looking for shorter values, such as a 1, would only garble what is shown. */
const shortestSecret = 4

/**
 * A transport that tells what goes over the wire (`EVERTOKEN_LOG=wire`): method, host and path, parameters and
 * answers. Every value that is not on a short list, or that the request calls a secret or a token of its answer, is replaced by a
 * fingerprint like `‹3f9c01ab›`: the same value has the same fingerprint within one process, and no other use.
 *
 * @param write gets one line without its line break.
 */
export function loggedTransport(transport: Transport, write: (line: string) => void): Transport {
  // Loaded by whoever logs, which is hardly anybody.
  const { createHmac, randomBytes } = process.getBuiltinModule('node:crypto')
  const key = randomBytes(32)
  const fingerprint = (text: string): string =>
    `‹${createHmac('sha256', key).update(text).digest('hex').slice(0, 8)}›`
  let count = 0
  const logged = async (request: WireRequest): Promise<WireResponse> => {
    const id = `wire ${++count}`
    const url = URL.parse(request.url)
    const exchange = new Exchange(fingerprint)
    // All of the request before the first line: its secrets are known before anything is shown.
    const parts = [url?.searchParams ?? [], Object.entries(request.headers), parametersOf(request)]
    for (const part of parts) exchange.learn(part)
    exchange.learnValues(request.secrets ?? [])
    const [query, headers, body] = parts.map((part) => exchange.show(part))
    const path = exchange.showPath(url?.pathname ?? '')
    write(`${id} > ${request.method} ${url?.host ?? '?'}${path}${query && ` ?${query}`}`)
    write(`${id} > headers ${headers}`)
    if (request.body !== undefined) write(`${id} > ${body}`)
    try {
      const response = await transport(request)
      const answer = parseJson(response.body)?.value
      exchange.learnValues([...tokensIn(answer), ...(request.answerSecrets?.(answer) ?? [])])
      write(`${id} < ${response.status} ${exchange.show(Object.entries(response.headers))}`)
      write(`${id} < ${exchange.showBody(response.body, answer)}`)
      return response
    } catch (error) {
      const said =
        error instanceof WireError ? `${error.reason}, sent=${error.sent}: ${error.message}` : 'failed'
      write(`${id} ! ${said}`)
      throw error
    }
  }
  return Object.assign(logged, { showsCertificates: transport.showsCertificates })
}

type Pairs = Iterable<readonly [string, string]>

/** One request and its answer, and the secrets that were sent: providers quote them in errors and elsewhere. */
class Exchange {
  readonly #fingerprint: (text: string) => string
  readonly #secrets: string[] = []

  constructor(fingerprint: (text: string) => string) {
    this.#fingerprint = fingerprint
  }

  learn(pairs: Pairs): void {
    for (const [name, text] of pairs)
      if (!shown.has(name) && text.length >= shortestSecret)
        this.#secrets.push(text, text.replace(/^\w+ /, ''))
  }

  /** Under whatever name and wherever else they stand. */
  learnValues(values: readonly string[]): void {
    this.#secrets.push(...values.filter((text) => text.length >= shortestSecret))
  }

  showPath(path: string): string {
    return printable(path, 300, this.#secrets)
  }

  show(pairs: Pairs): string {
    return [...pairs]
      .map(([name, text]) => `${printable(name, 60, this.#secrets)}=${this.#value(name, text)}`)
      .join(' ')
  }

  showBody(text: string, body: unknown): string {
    if (isJsonObject(body))
      return this.show(Object.entries(body).map(([name, part]) => [name, textOf(this.#inside(name, part))]))
    return `${text.length} characters, no JSON object: ${this.#fingerprint(text)}`
  }

  /** What stands deeper is shown by its own name, where all above it may be shown. */
  #inside(name: string, value: unknown): unknown {
    if (!shown.has(name) || typeof value !== 'object' || value === null) return value
    if (Array.isArray(value)) return value.map((one) => this.#deep(name, one))
    const nameOf = (inner: string): string => (name === 'error' && errorWords.has(inner) ? name : inner)
    return Object.fromEntries(
      Object.entries(value).map(([inner, part]) => [inner, this.#deep(nameOf(inner), part)]),
    )
  }

  #deep(name: string, value: unknown): unknown {
    if (typeof value === 'object' && value !== null && shown.has(name)) return this.#inside(name, value)
    if (value === null) return value
    const text = textOf(value)
    const told = this.#value(name, text)
    return told === text ? value : told
  }

  #value(name: string, text: string): string {
    // A profile may have given a secret the name of something harmless.
    if (shown.has(name) && !this.#secrets.includes(text)) return printable(text, 300, this.#secrets)
    const [, scheme, rest] = /^(Basic|Bearer) (.+)$/s.exec(text) ?? []
    if (scheme !== undefined && rest !== undefined) return `${scheme} ${this.#fingerprint(rest)}`
    return text === '' ? '' : this.#fingerprint(text)
  }
}

/** A form, or the members of a JSON object. */
function parametersOf({ body = '' }: WireRequest): Pairs {
  const json = body.startsWith('{') ? parseJson(body)?.value : undefined
  if (!isJsonObject(json)) return new URLSearchParams(body)
  return Object.entries(json).flatMap(([name, part]) =>
    [part].flat().map((one): [string, string] => [name, textOf(one)]),
  )
}

function textOf(value: unknown): string {
  if (value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}
