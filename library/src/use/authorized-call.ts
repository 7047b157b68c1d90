import type { AccessToken, TokenSource } from '../grants/token.ts'
import { type Authorization, authorizationOf } from './authorization.ts'
import { heardNonce } from './nonce.ts'
import { addressOf, type Origins } from './origins.ts'
import { firstHop, followed, type Hop, locationOf, mostRedirects } from './redirect.ts'
import { replacementOf } from './replacement.ts'

type Input = string | URL | Request

/** What is the same for every call of one authorized fetch. */
export interface CallPolicy {
  readonly source: TokenSource
  readonly send: typeof fetch
  readonly isRejected: (response: Response) => boolean | Promise<boolean>
  readonly origins: Origins
}

/** One call of an authorized fetch: its first request, and those that come of an answer. */
export class AuthorizedCall {
  readonly #policy: CallPolicy
  readonly #signal: AbortSignal | undefined
  /** `manual` where we follow redirects ourselves; undefined where the caller wanted it otherwise. */
  readonly #redirect: 'manual' | undefined
  #token: AccessToken

  constructor(
    policy: CallPolicy,
    token: AccessToken,
    signal: AbortSignal | undefined,
    redirect: 'manual' | undefined,
  ) {
    this.#policy = policy
    this.#token = token
    this.#signal = signal
    this.#redirect = redirect
  }

  /** @param first the answer to the first request, where that was sent already. */
  async run(input: Input, init: RequestInit | undefined, first?: Response): Promise<Response> {
    const response = await this.#spend(input, init, isRepeatable(input, init), first)
    if (this.#redirect === undefined) return response
    if (response.type === 'opaqueredirect')
      throw new TypeError(
        'the API answered with a redirect, which no browser lets a program follow itself: use the final address',
      )
    return this.#follow(input, init, response)
  }

  async #follow(input: Input, init: RequestInit | undefined, redirect: Response): Promise<Response> {
    const { origins, send } = this.#policy
    const first = addressOf(input)
    let hop: Hop | undefined
    let answer = redirect
    let carries = true
    for (let count = 0; ; count++) {
      const from: URL = hop?.url ?? first
      const to = locationOf(answer, from)
      if (to === undefined) return count === 0 ? answer : markRedirected(answer)
      if (count === mostRedirects)
        throw new TypeError(`more than ${mostRedirects} redirects from ${first.origin}`)
      hop ??= firstHop(input, init, first, isRepeatable(input, init))
      hop = followed(hop, answer.status, to, authorizationOf(this.#token).name)
      await discard(answer)
      // Once it was elsewhere, whoever sent it on from there chooses where it goes: it gets no token again.
      carries &&= origins === undefined ? to.origin === from.origin : origins.has(to.origin)
      answer = await (carries
        ? this.#spend(to, hop.init, hop.repeatable)
        : send(to, { ...hop.init, redirect: 'manual' }))
    }
  }

  /** One request and, where that may help, the same once more. */
  async #spend(
    input: Input,
    init: RequestInit | undefined,
    repeatable: boolean,
    first?: Response,
  ): Promise<Response> {
    const bound = this.#token.presentation?.proof !== undefined
    const send = (): Promise<Response> =>
      bound ? this.#sendProven(input, init, repeatable) : this.#send(input, init)
    const response = first ?? (await send())
    // Refused for want of a nonce: that says nothing of the token.
    if (bound && this.#heard(input, response) !== undefined) return response
    if (!(await this.#policy.isRejected(response))) return response
    const newer = await replacementOf(this.#policy.source, this.#token, this.#signal)
    // Reported all the same: whoever then sends a new request with a new body has a token for it.
    if (!repeatable || newer.generation === this.#token.generation) return response
    this.#token = newer
    await discard(response)
    return send()
  }

  #send(input: Input, init: RequestInit | undefined): Promise<Response> {
    return this.#policy.send(input, authorized(input, init, authorizationOf(this.#token), this.#redirect))
  }

  /** With a proof for this one request (RFC 9449 section 7.1), and once more where the API wants another nonce in it. */
  async #sendProven(input: Input, init: RequestInit | undefined, repeatable: boolean): Promise<Response> {
    const method = (init?.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase()
    const send = async (): Promise<Response> => {
      const options = authorized(input, init, authorizationOf(this.#token), this.#redirect)
      const headers = new Headers(options.headers)
      const proof = await this.#token.presentation?.proof?.of({ method, url: addressOf(input).href })
      if (proof !== undefined) headers.set('dpop', proof)
      return this.#policy.send(input, { ...options, headers })
    }
    const response = await send()
    if (this.#heard(input, response) !== 'again' || !repeatable) return response
    await discard(response)
    return send()
  }

  #heard(input: Input, response: Response): ReturnType<typeof heardNonce> {
    const { status, headers } = response
    return heardNonce(this.#token, addressOf(input), { status, header: (name) => headers.get(name) })
  }
}

/** A body that can be sent a second time: anything but a stream, which is gone once it was read. */
const isRepeatable = (input: Input, init: RequestInit | undefined): boolean => {
  if (init?.body !== undefined && init.body !== null)
    return !(init.body instanceof ReadableStream) && !(Symbol.asyncIterator in Object(init.body))
  return !(input instanceof Request) || input.body === null
}

/** The caller's init with the token's header, cheaply where headers are a plain object. */
export function authorized(
  input: Input,
  init: RequestInit | undefined,
  authorization: Authorization,
  redirect: 'manual' | undefined,
): RequestInit {
  const { name, value } = authorization
  const own = init?.headers ?? (input instanceof Request ? input.headers : undefined)
  let headers: Record<string, string> | [string, string][]
  if (own === undefined) headers = { [name]: value }
  else if (Symbol.iterator in own) headers = pairs(own as Iterable<[string, string]>, authorization)
  else {
    headers = { ...(own as Record<string, string>), [name]: value }
    for (const key in headers)
      if (key.length === name.length && key !== name && key.toLowerCase() === name) delete headers[key]
  }
  return redirect === undefined ? { ...init, headers } : { ...init, headers, redirect }
}

/** Of whatever holds pairs: a list, a Map, the Headers of this or another fetch. */
const pairs = (own: Iterable<[string, string]>, { name, value }: Authorization): [string, string][] => [
  ...[...own].filter(([key]) => key.toLowerCase() !== name),
  [name, value],
]

/** Read no further; its connection is free for the next request. */
const discard = async (response: Response): Promise<void> => {
  await response.body?.cancel().catch(() => undefined)
}

/** It was, though fetch does not know: it only ever saw the last request. */
const markRedirected = (response: Response): Response =>
  Object.defineProperty(response, 'redirected', { value: true })
