import * as oauth from 'oauth4webapi'
import type { Operation } from '../providers/profile.ts'
import { Secret } from '../secret.ts'
import type { AnswerReading } from './answer-dialect.ts'
import { salvageRefreshToken } from './broken-answer.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { ruled } from './error-rules.ts'
import { exchangeForm, type FormAnswer, type FormTarget, type Send } from './form-exchange.ts'
import { endpointOf } from './request-dialect.ts'
import type { TokenAnswer } from './token-answer.ts'
import { readTokenAnswer } from './token-response.ts'
import type { Wire } from './transport.ts'

/** What every token request may say besides its own parameters. */
export interface TokenRequestMessage {
  /** RFC 6749 section 3.3. */
  readonly scope?: readonly string[] | undefined
  /** RFC 8707: the resource the token is for, or several. */
  readonly resource?: string | readonly string[] | undefined
  /** Whatever else this provider wants to hear. Never overrides a parameter of the protocol. */
  readonly parameters?: Readonly<Record<string, string>> | undefined
}

/** `grant_type` of each message that asks for a token. */
const grantTypes = {
  exchange: 'authorization_code',
  refresh: 'refresh_token',
  login: 'password',
  client_credentials: 'client_credentials',
  jwt_bearer: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
  device_token: 'urn:ietf:params:oauth:grant-type:device_code',
  token_exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const

/** RFC 6749 section 4.5: sends one token request and says what came of it. */
export function requestToken(
  server: ServerMetadata,
  client: ClientRegistration,
  operation: keyof typeof grantTypes,
  own: OwnParameters,
  message: TokenRequestMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const target = { operation, given: message.parameters }
  return exchangeForTokens(target, server, client, wire, (request) =>
    oauth.genericTokenEndpointRequest(
      { ...request.server, token_endpoint: request.url.href },
      request.client,
      request.authenticate,
      grantTypes[operation],
      parametersOf(own, message),
      request.options,
    ),
  )
}

/** Sends a form whose answer is read as that of a token endpoint. */
export async function exchangeForTokens(
  target: Omit<FormTarget, 'endpoint'> & { readonly operation: Operation },
  server: ServerMetadata,
  client: ClientRegistration,
  wire: Wire,
  send: Send,
): Promise<TokenAnswer> {
  const { late } = wire
  const read = (answer: FormAnswer): TokenAnswer => readForm(answer, wire.now(), client.dialect)
  const answer = await exchangeForm(
    { ...target, endpoint: endpointOf(client, target.operation, server.tokenEndpoint) },
    server,
    client,
    wire,
    send,
    late === undefined ? undefined : { ms: late.ms, take: (answer) => late.take(answer.then(read)) },
  )
  return read(answer)
}

function readForm(answer: FormAnswer, now: number, reading: AnswerReading | undefined): TokenAnswer {
  switch (answer.kind) {
    case 'answer':
      return readTokenAnswer(answer.response, answer.sent, now, reading)
    case 'unreadable': {
      const { status, reason } = answer
      const kept = salvaged(answer, reading)
      const unusable = { kind: 'unusable', status, reason, ...kept } as const
      return 'refreshToken' in kept ? unusable : ruled(unusable, undefined, reading?.errors, [])
    }
    case 'silence': {
      const { partial, status, ...silence } = answer
      const kept = salvaged({ partial, status }, reading)
      return 'refreshToken' in kept
        ? { kind: 'unusable', status: status ?? 0, reason: 'cut', ...kept }
        : silence
    }
    default:
      return answer satisfies never
  }
}

interface Broken {
  readonly partial?: Secret | undefined
  readonly status?: number | undefined
}

/** A success that broke off behind the refresh token: the old one is spent, and this is the new one. */
function salvaged(
  { partial, status = 0 }: Broken,
  reading: AnswerReading | undefined,
): { readonly refreshToken?: Secret } {
  if (partial === undefined || status < 200 || status >= 300) return {}
  const refreshToken = salvageRefreshToken(partial, reading?.answer)
  return refreshToken === undefined ? {} : { refreshToken }
}

/** What a grant type says of itself; one that stands several times is a list. */
export type OwnParameters = Readonly<Record<string, string | Secret | readonly string[]>>

/** The form: what the grant type says wins over what the provider wants to hear besides. */
export function parametersOf(own: OwnParameters, message: TokenRequestMessage): URLSearchParams {
  const parameters = new URLSearchParams(message.parameters)
  if (message.scope !== undefined && message.scope.length > 0)
    parameters.set('scope', message.scope.join(' '))
  if (message.resource !== undefined) {
    parameters.delete('resource')
    for (const resource of [message.resource].flat()) parameters.append('resource', resource)
  }
  for (const [name, value] of Object.entries(own)) {
    parameters.delete(name)
    for (const one of [value].flat()) parameters.append(name, one instanceof Secret ? one.reveal() : one)
  }
  return parameters
}
