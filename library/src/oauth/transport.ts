import type { Secret } from '../secret.ts'
import type { ProofKey } from './proof-key.ts'
import type { SilenceReason, TokenAnswer, UnusableReason } from './token-answer.ts'

/** One HTTP request on the wire. */
export interface WireRequest {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** Milliseconds for the whole of it: connect, send, wait, read. */
  readonly deadline: number
  readonly insecureHttp: boolean
  /** What the client shows in the TLS handshake (RFC 8705); only to a transport that `showsCertificates`. */
  readonly certificate?: WireCertificate | undefined
  /** Allows addresses of private networks (RFC 6890), and loopback reached through a name. Default false. */
  readonly privateNetwork?: boolean | undefined
  /** What of this is secret wherever it stands, for whoever writes of it: a provider may want a token in a path, or a secret under a public name. */
  readonly secrets?: readonly string[] | undefined
  /** The same of its answer, which has been read: a profile may know tokens by other names than those of RFC 6749. */
  readonly answerSecrets?: ((answer: unknown) => readonly string[]) | undefined
  /** Somebody takes an answer that comes after the deadline, to a request that had left before it. */
  readonly late?: Late<WireResponse> | undefined
}

/** A certificate and its key, which fit each other, both as PEM. */
export interface WireCertificate {
  /** Whose it is: a connection is for one client, also where two have the same certificate. */
  readonly client: string
  /** With its chain, where there is one. */
  readonly certificate: string
  readonly key: Secret
}

/** Listening goes on after the deadline, behind the back of whoever sent. */
export interface Late<Answer> {
  /** Milliseconds after the deadline. */
  readonly ms: number
  /** Called at the deadline, at most once, with what will come of it. */
  readonly take: (answer: Promise<Answer>) => void
}

/** What came back, whole. Redirects are answers like any other: nothing follows them. */
export interface WireResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  /** At most 64 KiB after decompression, valid UTF-8. */
  readonly body: string
}

/**
 * Sends one request and reads one bounded answer within one deadline. Throws {@link WireError} and nothing else. A transport
 * that does not know `late` ends at the deadline. Where it connects nobody else can see: `insecureHttp` and `privateNetwork` are
 * for it to heed, at the address that a name resolves to.
 */
export interface Transport {
  (request: WireRequest): Promise<WireResponse>
  /** It connects with the `certificate` of a request. Default false: it is then given no such request. */
  readonly showsCertificates?: boolean | undefined
}

/** No whole answer came. `sent` is false only when it is certain that the provider got no byte of the request. */
export class WireError extends Error {
  override readonly name = 'WireError'
  readonly sent: boolean
  readonly reason: SilenceReason | Extract<UnusableReason, 'too_large' | 'cut' | 'bad_encoding'>
  /** HTTP status, where the head of an answer arrived. */
  readonly status: number | undefined
  /** What arrived of the body, where a part of one did. */
  readonly partial: Secret | undefined

  constructor(
    reason: WireError['reason'],
    detail: string,
    facts: { sent: boolean; status?: number; partial?: Secret | undefined; cause?: unknown },
  ) {
    super(detail, facts.cause === undefined ? undefined : { cause: facts.cause })
    this.reason = reason
    this.sent = facts.sent
    this.status = facts.status
    this.partial = facts.partial
  }
}

/** What a message needs from outside: the way out, the time, and patience. */
export interface Wire {
  readonly transport: Transport
  /** UTC, milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds for the whole exchange. */
  readonly deadline: number
  /** As in {@link WireRequest}, with the answer as it is read. */
  readonly late?: Late<TokenAnswer> | undefined
  /** That many random bytes. Default: the platform's cryptographic source. */
  readonly random?: ((bytes: number) => Uint8Array) | undefined
  /** Shows with each token request who sends it, so that the tokens are bound to this key (RFC 9449 section 5). */
  readonly proofKey?: ProofKey | undefined
}
