import { createHmac, randomBytes } from 'node:crypto'
import { isJsonObject, parseJson } from './json-object.ts'
import { printable } from './printable.ts'
import { type Transport, WireError } from './transport.ts'

/** Values that may be read by anybody; every other value is a fingerprint. */
const shown = new Set(
  (
    'grant_type response_type scope resource audience token_type expires_in refresh_token_expires_in error ' +
    'issuer token_endpoint authorization_endpoint revocation_endpoint introspection_endpoint client_id ' +
    'code_challenge_method client_assertion_type requested_token_type subject_token_type issued_token_type ' +
    'accept accept-encoding content-type content-length content-encoding user-agent date retry-after cache-control'
  ).split(' '),
)

/**
 * A transport that tells what goes over the wire (`EVERTOKEN_LOG=wire`): method, host and path, parameters and
 * answers. Every value that is not on a short list is replaced by a fingerprint like `‹3f9c01ab›`: the same value has
 * the same fingerprint within one process, and no other use.
 *
 * @param write gets one line without its line break.
 */
export function loggedTransport(transport: Transport, write: (line: string) => void): Transport {
  const key = randomBytes(32)
  const fingerprint = (value: string): string =>
    `‹${createHmac('sha256', key).update(value).digest('hex').slice(0, 8)}›`
  const value = (name: string, text: string): string => {
    if (shown.has(name)) return printable(text, 300)
    const [, scheme, rest] = /^(Basic|Bearer) (.+)$/s.exec(text) ?? []
    if (scheme !== undefined && rest !== undefined) return `${scheme} ${fingerprint(rest)}`
    return text === '' ? '' : fingerprint(text)
  }
  const pairs = (entries: Iterable<readonly [string, string]>): string =>
    [...entries].map(([name, text]) => `${printable(name, 60)}=${value(name, text)}`).join(' ')
  const members = (body: unknown): string =>
    isJsonObject(body)
      ? pairs(Object.entries(body).map(([name, part]) => [name, part === null ? '' : textOf(part)]))
      : `body=${fingerprint(textOf(body))}`

  let count = 0
  return async (request) => {
    const id = `wire ${++count}`
    const url = URL.parse(request.url)
    const query = pairs(url?.searchParams ?? [])
    write(`${id} > ${request.method} ${url?.host ?? '?'}${url?.pathname ?? ''}${query && ` ?${query}`}`)
    write(`${id} > headers ${pairs(Object.entries(request.headers))}`)
    if (request.body !== undefined) write(`${id} > ${pairs(new URLSearchParams(request.body))}`)
    try {
      const response = await transport(request)
      write(`${id} < ${response.status} ${pairs(Object.entries(response.headers))}`)
      const json = parseJson(response.body)
      const size = `${response.body.length} characters`
      write(
        `${id} < ${json === undefined ? `${size}, no JSON: ${fingerprint(response.body)}` : members(json.value)}`,
      )
      return response
    } catch (error) {
      const said =
        error instanceof WireError ? `${error.reason}, sent=${error.sent}: ${error.message}` : 'failed'
      write(`${id} ! ${said}`)
      throw error
    }
  }
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
