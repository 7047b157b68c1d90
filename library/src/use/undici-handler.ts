import type { AccessToken } from '../grants/token.ts'
import { heardNonce } from './nonce.ts'

export type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** What undici gives its handlers to steer a request with. */
export interface Controller {
  readonly aborted?: boolean
  readonly reason?: Error | null
  pause?(): void
  resume?(): void
  abort?(reason: Error): void
}

/** undici's handler of one request, since its version 7. */
export interface DispatchHandler {
  onRequestStart?(controller: unknown, context: unknown): void
  onRequestUpgrade?(controller: unknown, statusCode: number, headers: unknown, socket: unknown): void
  onResponseStart?(controller: unknown, statusCode: number, headers: unknown, statusMessage?: string): void
  onResponseData?(controller: unknown, chunk: unknown): void
  onResponseEnd?(controller: unknown, trailers: unknown): void
  onResponseError?(controller: unknown, error: Error): void
  onResponseStarted?(): void
  onRequestSent?(): void
}

interface Attempt {
  readonly token: AccessToken
  readonly url: URL
  /** What steered the attempt before this one. */
  readonly before: Controller | undefined
  /** The body is there to be sent again. */
  readonly repeatable: boolean
  /** What this attempt repeats the one before for; undefined for the first. */
  readonly repeats: Repeats | undefined
  readonly isRejected: (answer: { readonly statusCode: number; readonly headers: ResponseHeaders }) => boolean
  /** A newer token, or the same. */
  readonly replaced: () => Promise<AccessToken>
  readonly send: (token: AccessToken, repeats: Repeats, before: Controller) => void
}

/** Each at most once, and a nonce before a token: with a newer token the nonce is known already. */
export type Repeats = 'nonce' | 'token'

/**
 * One attempt of a request. An answer that refuses the token is held back until it is known whether there is a newer one: then the
 * request is sent again and nobody hears of this answer, else it goes on to whoever asked.
 */
export class RefusableHandler implements DispatchHandler {
  readonly #downstream: DispatchHandler
  readonly #attempt: Attempt
  /** What arrived while the answer is held back; undefined while it goes through. */
  #held: (() => void)[] | undefined
  #dropped = false

  constructor(downstream: DispatchHandler, attempt: Attempt) {
    this.#downstream = downstream
    this.#attempt = attempt
  }

  onRequestStart(controller: Controller, context: unknown): void {
    const { before } = this.#attempt
    // Given up between the two attempts: whoever did had nothing else to take hold of.
    if (before?.aborted === true) controller.abort?.(before.reason ?? new Error('the request was aborted'))
    this.#downstream.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(controller: unknown, statusCode: number, headers: unknown, socket: unknown): void {
    this.#downstream.onRequestUpgrade?.(controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Controller,
    statusCode: number,
    headers: ResponseHeaders,
    statusMessage?: string,
  ): void {
    const pass = (): void =>
      this.#downstream.onResponseStart?.(controller, statusCode, headers, statusMessage)
    const next = this.#next(statusCode, headers)
    if (next === undefined) {
      pass()
      return
    }
    this.#held = [pass]
    controller.pause?.()
    next
      .then((token) => {
        const held = this.#held ?? []
        this.#held = undefined
        if (token !== undefined && controller.aborted !== true) {
          this.#dropped = true
          this.#attempt.send(token, token === this.#attempt.token ? 'nonce' : 'token', controller)
        } else for (const event of held) event()
        controller.resume?.()
      })
      // What whoever asked throws at an answer ends the request, as it does without us.
      .catch((error: Error) => controller.abort?.(error))
  }

  onResponseData(controller: unknown, chunk: unknown): void {
    this.#pass(() => this.#downstream.onResponseData?.(controller, chunk))
  }

  onResponseEnd(controller: unknown, trailers: unknown): void {
    this.#pass(() => this.#downstream.onResponseEnd?.(controller, trailers))
  }

  onResponseError(controller: Controller | null, error: Error): void {
    // Given up while the answer is held back: nobody waits for a newer token, and nobody hears of the answer.
    if (controller?.aborted === true) this.#held = undefined
    this.#pass(() => this.#downstream.onResponseError?.(controller, error))
  }

  onResponseStarted(): void {
    this.#downstream.onResponseStarted?.()
  }

  onRequestSent(): void {
    this.#downstream.onRequestSent?.()
  }

  /** The token to send the request with once more, if that is worth it; undefined where the answer goes through. */
  #next(statusCode: number, headers: ResponseHeaders): Promise<AccessToken | undefined> | undefined {
    const { token, url, repeatable, repeats, isRejected, replaced } = this.#attempt
    const header = (name: string): string | undefined => [headers[name]].flat()[0]
    const asked = heardNonce(token, url, { status: statusCode, header })
    if (asked !== undefined)
      return asked === 'again' && repeatable && repeats === undefined ? Promise.resolve(token) : undefined
    if (repeats === 'token' || statusCode < 200 || !isRejected({ statusCode, headers })) return undefined
    // Reported also where it cannot help this request: it helps the next.
    return replaced().then((newer) =>
      repeatable && newer.generation !== token.generation ? newer : undefined,
    )
  }

  #pass(event: () => void): void {
    if (this.#dropped) return
    if (this.#held === undefined) event()
    else this.#held.push(event)
  }
}
