import * as oauth from 'oauth4webapi'
import type { ProviderDialect } from '../providers/dialect.ts'
import type { AnswerDialect } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import { mayCarrySecrets, webAddress } from './address.ts'
import { tokensAt } from './answer-tokens.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { clientAuthentication } from './client-authentication.ts'
import { shownCertificate } from './client-certificate.ts'
import { beginAnew, beginWith, bySecret, refusesClient } from './client-secrets.ts'
import { dpopProof } from './dpop-proof.ts'
import { withNonce } from './nonce-exchange.ts'
import { type FormOperation, provingItself, type WrittenRequest, writeRequest } from './request-dialect.ts'
import type { SilenceReason, UnusableReason } from './token-answer.ts'
import { type Late, type Wire, WireError, type WireResponse } from './transport.ts'

/** Parameters that hold no secret, so that an error may quote them. All others are taken for secrets. */
const publicParameters = new Set(
  'grant_type scope resource audience client_id redirect_uri client_assertion_type requested_token_type subject_token_type actor_token_type token_type_hint'.split(
    ' ',
  ),
)
/** An unknown parameter's value of fewer characters is a word like `true`; hiding it would only garble texts. */
const shortestSecret = 8
const credentials = new Set(
  'refresh_token token code code_verifier assertion client_secret client_assertion password device_code subject_token actor_token'.split(
    ' ',
  ),
)

/** Nothing came back, or nobody knows what. */
export interface Silence {
  readonly kind: 'silence'
  /** False only when it is certain that no byte of the request reached the provider. */
  readonly sent: boolean
  readonly reason: SilenceReason
  /** What the system said, without secrets: `connect ECONNREFUSED 127.0.0.1:1`. */
  readonly detail: string
}

/** What came of one form: the whole answer, the head of one, or nothing. */
export type FormAnswer =
  | {
      readonly kind: 'answer'
      readonly response: WireResponse
      /** The secrets of the request, in every spelling in which the provider may quote them. */
      readonly sent: readonly string[]
    }
  | {
      readonly kind: 'unreadable'
      readonly status: number
      readonly reason: Extract<UnusableReason, 'too_large' | 'cut' | 'bad_encoding'>
      readonly partial?: Secret | undefined
    }
  | (Silence & {
      /** What had arrived of an answer when patience ended. */
      readonly partial?: Secret | undefined
      /** HTTP status of it. */
      readonly status?: number | undefined
    })

/** Which form, and where it goes. */
export interface FormTarget {
  readonly endpoint: string
  readonly operation: FormOperation
  /** Parameters that our user wants to be sent as they are, whatever the provider's dialect says of them. */
  readonly given?: Readonly<Record<string, string>> | undefined
  /** What templates of the dialect may name beside what the form carries. */
  readonly values?: Readonly<Record<string, Secret>> | undefined
}

/** What oauth4webapi wants to send any request to an endpoint of the provider. */
export interface FormRequest {
  readonly url: URL
  readonly server: oauth.AuthorizationServer
  readonly client: oauth.Client
  readonly authenticate: oauth.ClientAuth
  readonly options: {
    readonly headers: Record<string, string>
    readonly [oauth.customFetch]: (
      url: string,
      init: oauth.CustomFetchOptions<'POST', URLSearchParams>,
    ) => Promise<Response>
    readonly [oauth.allowInsecureRequests]: boolean
  }
}

/** Composes one message and hands it to oauth4webapi. */
export type Send = (request: FormRequest) => Promise<unknown>

/**
 * One form to an endpoint of the provider, from a client that proves itself (RFC 6749 section 2.3), within one deadline.
 *
 * A client that has two secrets, and is refused with the one, sends the same form once more with the other. This is safe
 * whatever the provider does with a refresh token that comes twice: it authenticates the client before it looks at what
 * the client brought (RFC 6749 section 6; section 5.2 for `invalid_client`), and a 401 says that the request was not
 * applied (RFC 9110 section 15.5.2), so nothing was spent and no other answer is under way. For whoever called it was one
 * request: only its last answer is told.
 *
 * @param send gives the request to the function of oauth4webapi that composes this message.
 * @param late takes what comes after the deadline; a refusal among that is not followed by anything.
 * @throws EvertokenError `invalid_configuration` when a key of the client cannot be read, or its certificate cannot be shown;
 *   `key_file_unreadable` when a file with its assertion or certificate cannot be read; nothing has left then.
 * @throws TypeError when the endpoint is no http address, or has user information.
 */
export async function exchangeForm(
  target: FormTarget,
  server: ServerMetadata,
  client: ClientRegistration,
  wire: Wire,
  send: Send,
  late?: Late<FormAnswer>,
): Promise<FormAnswer> {
  const url = webAddress(target.endpoint)
  if (url === undefined) throw new TypeError('the endpoint must be an http address without user information')
  if (!mayCarrySecrets(url, client.insecureHttp)) return insecure(url)
  const [first, other] = bySecret(client)
  const began = wire.now()
  const exchange = (by: ClientRegistration, within: Wire): Promise<FormAnswer> =>
    withNonce(url.href, within, (nonce, deadline) => {
      const timed = { ...within, deadline }
      return exchangeOnce(url, target, server, by, timed, send, nonce, late)
    })
  const answer = await exchange(first, wire)
  if (other === undefined || !isRefusal(answer, client)) return answer

  beginWith(other)
  const left = wire.deadline - Math.max(wire.now() - began, 0)
  // A refusal is certain. A request without the time for its answer would put the refresh token in doubt: the next one
  // begins with the other secret all the same.
  if (left < wire.deadline / 2) return answer
  const again = await exchange(other, { ...wire, deadline: left })
  if (isRefusal(again, client)) beginAnew(client)
  return again.kind === 'silence' && !again.sent ? answer : again
}

const isRefusal = (answer: FormAnswer, { dialect }: ClientRegistration): boolean =>
  answer.kind === 'answer' && refusesClient(answer.response, dialect)

/** One for all: nobody reads it, and each would be dear to make. */
let unread: Response | undefined

async function exchangeOnce(
  url: URL,
  { operation, given, values = {} }: FormTarget,
  server: ServerMetadata,
  client: ClientRegistration,
  wire: Wire,
  send: Send,
  nonce: string | undefined,
  late: Late<FormAnswer> | undefined,
): Promise<FormAnswer> {
  const authenticate = await clientAuthentication(server, provingItself(client, operation), wire)
  const certificate = await shownCertificate(client, url, wire)
  const { dialect } = client

  const sent: string[] = []
  const read = (answer: Promise<WireResponse>): Promise<FormAnswer> =>
    answer.then((response): FormAnswer => ({ kind: 'answer', response, sent }), readFailure)
  let response: WireResponse | undefined
  const exchange = async (address: string, init: oauth.CustomFetchOptions<'POST', URLSearchParams>) => {
    const form = { url: address, headers: init.headers, body: init.body, values }
    const written: WrittenRequest =
      dialect === undefined
        ? {
            method: 'POST',
            url: address,
            // RFC 6749 fixes the encoding; some servers compare this header as a whole and choke on a charset.
            headers: { ...init.headers, 'content-type': 'application/x-www-form-urlencoded' },
            body: init.body.toString(),
          }
        : writeRequest(dialect, operation, client, form, given)
    const request = proved(written, wire, nonce)
    const more = Object.values(values).map((value) => value.reveal())
    sent.push(...secretsOf(init.body, request.headers, client, more))
    response = await wire.transport({
      ...request,
      ...certificate,
      deadline: wire.deadline,
      insecureHttp: client.insecureHttp,
      privateNetwork: client.privateNetwork,
      secrets: sent,
      ...(dialect?.answer === undefined ? {} : { answerSecrets: secretsOfAnswer(dialect.answer) }),
      ...(late === undefined ? {} : { late: { ms: late.ms, take: (answer) => late.take(read(answer)) } }),
    })
    // oauth4webapi hands it on unread: its own reading refuses much of what real providers send, and a refused
    // answer may hold the only copy of a rotated refresh token.
    unread ??= new Response(null)
    return unread
  }
  try {
    await send({
      url,
      server: { issuer: server.issuer ?? url.origin, token_endpoint: server.tokenEndpoint },
      client: { client_id: client.clientId === '' ? 'anonymous' : client.clientId },
      authenticate,
      options: {
        headers: { 'user-agent': 'evertoken' },
        [oauth.customFetch]: exchange,
        [oauth.allowInsecureRequests]: url.protocol === 'http:',
      },
    })
  } catch (error) {
    return readFailure(error)
  }
  return { kind: 'answer', response: response as WireResponse, sent }
}

const secretsOfAnswer =
  (dialect: AnswerDialect) =>
  (answer: unknown): readonly string[] =>
    tokensAt(answer, dialect)

/** The request as it leaves is what the proof speaks for: a dialect may have moved it. */
function proved(request: WrittenRequest, wire: Wire, nonce: string | undefined): WrittenRequest {
  if (wire.proofKey === undefined) return request
  const { method, url, headers } = request
  return { ...request, headers: { ...headers, dpop: dpopProof(wire.proofKey, { method, url, nonce }, wire) } }
}

const insecure = (url: URL): Silence => ({
  kind: 'silence',
  sent: false,
  reason: 'insecure_http',
  detail: `plain http to ${url.host} refused`,
})

/** What a form leaves as it is (URL standard, application/x-www-form-urlencoded percent-encode set). */
const encodesItself = /^[\w*.-]*$/

/** Every secret of the request in every spelling in which it travelled or may be quoted. */
function secretsOf(
  body: URLSearchParams,
  headers: Readonly<Record<string, string>>,
  client: ClientRegistration,
  more: readonly string[],
): readonly string[] {
  const found: string[] = [...more]
  for (const [name, value] of body)
    if (credentials.has(name) || (!publicParameters.has(name) && value.length >= shortestSecret))
      found.push(value)
  if ('secret' in client.authentication) {
    const { secret, secondSecret } = client.authentication
    found.push(secret.reveal(), ...(secondSecret === undefined ? [] : [secondSecret.reveal()]))
  }
  if (client.dialect !== undefined) found.push(...secretsIn(client.dialect))
  const spellings = found.flatMap((text) =>
    encodesItself.test(text)
      ? [text]
      : [text, new URLSearchParams([['', text]]).toString().slice(1), inPath(text)],
  )
  if (client.dialect !== undefined) spellings.push(...found.map((text) => JSON.stringify(text).slice(1, -1)))
  const basic = headers.authorization?.split(' ')[1]
  const whole = [basic, headers.dpop].filter((text) => text !== undefined)
  return [...new Set([...spellings, ...whole])].filter((text) => text !== '')
}

/** A lone surrogate has no encoding, and then it was not sent so. */
const inPath = (text: string): string => (text.isWellFormed() ? encodeURIComponent(text) : text)

const secretsIn = ({ variables }: ProviderDialect): readonly string[] =>
  Object.values(variables).flatMap((value) => (value instanceof Secret ? [value.reveal()] : []))

function readFailure(error: unknown): Exclude<FormAnswer, { kind: 'answer' }> {
  // A transport that breaks its promise may have sent everything; its words may hold anything.
  if (!(error instanceof WireError))
    return { kind: 'silence', sent: true, reason: 'local', detail: 'the transport failed in an unknown way' }
  switch (error.reason) {
    case 'too_large':
    case 'cut':
    case 'bad_encoding':
      return error.status === undefined
        ? { kind: 'silence', sent: error.sent, reason: 'reset', detail: error.message }
        : { kind: 'unreadable', status: error.status, reason: error.reason, partial: error.partial }
    default:
      return {
        kind: 'silence',
        sent: error.sent,
        reason: error.reason,
        detail: error.message,
        ...(error.partial === undefined ? {} : { partial: error.partial, status: error.status }),
      }
  }
}
