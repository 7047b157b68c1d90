import { EvertokenError } from '../errors.ts'
import { checkGrantId } from '../grants/grant-id.ts'
import { checkedDeadline, checkedSecret } from '../grants/option-check.ts'
import type { TokenRequest } from '../grants/token.ts'
import { mayCarrySecrets, webAddress } from '../oauth/address.ts'
import { isJsonObject, type JsonObject, member, parseJson } from '../oauth/json-object.ts'
import type { Secret } from '../secret.ts'
import { boundedBody } from './bounded-body.ts'
import { brokerRefusal, brokerUnreachable } from './broker-refusal.ts'
import type { IssuedToken } from './issued-token.ts'
import {
  type PeekableTokenSource,
  type RefreshingSourceOptions,
  refreshingSource,
  type WantedToken,
} from './refreshing-source.ts'

export interface BrokerSourceOptions extends RefreshingSourceOptions {
  /** Where the broker is: `https://tokens.example.com`, or `http://127.0.0.1:7420` on this machine. May have a path. */
  url: string
  /** An API key of the broker, `evt_…`; one that reads is enough. */
  key: string | Secret
  /** Name of the grant at the broker. */
  grant: string
  /** Seconds for one question from connect to last byte. Default 45: longer than a broker waits for its provider. */
  deadline?: number | undefined
  /** What sends. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined
}

/** As much as an access token with its metadata may have; a broker answers with no more. */
const largestAnswer = 262_144

/**
 * The tokens of a grant that a broker keeps. Each is asked for once and served from memory until it is soon to end; one question is
 * under way at a time, and while the broker is away the present token goes on being served. What an API refused is reported to the
 * broker. Redirects are not followed, for the key is for this broker alone.
 *
 * ```ts
 * const source = brokerSource({ url: 'http://127.0.0.1:7420', key, grant: 'billing' })
 * const api = authorizedFetch(source)
 * ```
 *
 * @throws EvertokenError `invalid_configuration`, `invalid_grant_id`, `empty_secret`, `insecure_http`. A read rejects with the broker's
 *   own code (`unknown_grant`, `unauthorized`, `reauthorization_required`, …) or `broker_unreachable`.
 */
export function brokerSource(options: BrokerSourceOptions): PeekableTokenSource {
  const { url, key, grant, deadline = 45, fetch: send, ...refreshing } = options
  const base = checkedBase(url)
  checkGrantId(grant)
  const time = checkedDeadline(deadline, 'deadline')
  const client = new BrokerClient(base, checkedSecret(key, 'key'), grant, time, send)
  return refreshingSource(
    async ({ rejected, ...wanted }) =>
      rejected === undefined ? client.token(wanted) : client.reported(rejected, wanted),
    refreshing,
  )
}

function checkedBase(text: string): URL {
  const base = typeof text === 'string' ? webAddress(text) : undefined
  if (base === undefined)
    throw new EvertokenError('invalid_configuration', 'url is not the address of a broker', {
      advice:
        'Write it whole and without user information: https://tokens.example.com, or http://127.0.0.1:7420.',
    })
  if (!mayCarrySecrets(base, false))
    throw new EvertokenError(
      'insecure_http',
      `the key and the tokens would go to and from ${base.host} in clear`,
      {
        advice: 'Use https; plain http is for a broker on this machine.',
      },
    )
  // A broker may stand under a path of a larger site.
  if (!base.pathname.endsWith('/')) base.pathname += '/'
  base.search = ''
  base.hash = ''
  return base
}

const scopeText = (scope: NonNullable<TokenRequest['scope']>): string =>
  typeof scope === 'string' ? scope : scope.join(' ')

class BrokerClient {
  readonly #base: URL
  readonly #key: Secret
  readonly #grant: string
  /** Milliseconds. */
  readonly #deadline: number
  readonly #send: typeof fetch

  constructor(base: URL, key: Secret, grant: string, deadline: number, send: typeof fetch | undefined) {
    this.#base = base
    this.#key = key
    this.#grant = grant
    this.#deadline = deadline
    this.#send = send ?? ((input, init) => fetch(input, init))
  }

  token({ scope, resource, minTtl }: WantedToken): Promise<IssuedToken> {
    const query = new URLSearchParams()
    if (minTtl !== undefined) query.set('min_ttl', String(Math.ceil(minTtl)))
    if (scope !== undefined) query.set('scope', scopeText(scope))
    if (resource !== undefined) query.set('resource', resource)
    return this.#ask(`token${query.size === 0 ? '' : `?${query}`}`, { method: 'GET' })
  }

  reported(generation: number, { scope, resource }: WantedToken): Promise<IssuedToken> {
    const report = {
      generation,
      ...(scope !== undefined && { scope: scopeText(scope) }),
      ...(resource !== undefined && { resource }),
    }
    return this.#ask('token/rejected', { method: 'POST', body: JSON.stringify(report) })
  }

  async #ask(path: string, init: { readonly method: string; readonly body?: string }): Promise<IssuedToken> {
    const { response, text } = await this.#exchange(
      new URL(`v1/grants/${this.#grant}/${path}`, this.#base),
      init,
    )
    const { status, headers } = response
    if (response.type === 'opaqueredirect' || (status >= 300 && status < 400))
      throw this.#unreachable('it redirects, which is never followed')
    const body = text === undefined ? undefined : parseJson(text)?.value
    if (!response.ok)
      throw brokerRefusal(this.#base, {
        status,
        problem: isJsonObject(body) ? body : {},
        wait: headers.get('retry-after'),
        key: this.#key,
        grant: this.#grant,
      })
    if (!isJsonObject(body)) throw this.#unreachable(`it answered ${status} with no JSON object`)
    const issued = issuedOf(body)
    if (issued === undefined) throw this.#unreachable('its answer is no token')
    return issued
  }

  #unreachable(why: string): EvertokenError {
    return brokerUnreachable(this.#base, why, this.#grant)
  }

  async #exchange(
    url: URL,
    { method, body }: { readonly method: string; readonly body?: string },
  ): Promise<{ readonly response: Response; readonly text: string | undefined }> {
    try {
      const response = await this.#send(url, {
        method,
        headers: {
          accept: 'application/json',
          authorization: `Bearer ${this.#key.reveal()}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        redirect: 'manual',
        signal: AbortSignal.timeout(this.#deadline),
        ...(body !== undefined && { body }),
      })
      const bytes = await boundedBody(response, largestAnswer)
      return { response, text: bytes && new TextDecoder().decode(bytes) }
    } catch (error) {
      throw this.#unreachable(reasonOf(error, this.#deadline))
    }
  }
}

/** Codes and no messages: those of Node quote headers. */
function reasonOf(error: unknown, deadline: number): string {
  const { name, cause } = error as { name?: unknown; cause?: { code?: unknown } }
  if (name === 'TimeoutError') return `no whole answer within ${deadline} ms`
  return typeof cause?.code === 'string' ? cause.code : 'the request failed'
}

/** The token of an answer; undefined where it holds none. */
function issuedOf(body: JsonObject): IssuedToken | undefined {
  const text = (name: string): string | undefined => {
    const value = member(body, name)
    return typeof value === 'string' ? value : undefined
  }
  const value = text('access_token')
  const expiresIn = member(body, 'expires_in')
  const generation = member(body, 'generation')
  if (value === undefined || typeof generation !== 'number' || typeof expiresIn !== 'number') return undefined
  const metadata = member(body, 'metadata')
  const header = text('header')
  const scheme = text('scheme')
  return {
    value,
    type: text('token_type'),
    // Not expires_at: the clocks of two machines differ, and what is left is the same on both.
    expiresIn,
    scope: text('scope'),
    generation,
    metadata: isJsonObject(metadata) ? metadata : undefined,
    presentation: header === undefined && scheme === undefined ? undefined : { header, scheme },
  }
}
