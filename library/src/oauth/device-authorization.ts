import * as oauth from 'oauth4webapi'
import { Secret } from '../secret.ts'
import { mayCarrySecrets, webAddress } from './address.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import type { ErrorAnswer } from './error-response.ts'
import { exchangeForm, type Silence } from './form-exchange.ts'
import { type JsonObject, member } from './json-object.ts'
import { readObjectAnswer } from './object-answer.ts'
import { readSeconds } from './read-seconds.ts'
import { consentScope, endpointOf } from './request-dialect.ts'
import type { TokenAnswer } from './token-answer.ts'
import { parametersOf, requestToken, type TokenRequestMessage } from './token-endpoint.ts'
import type { Wire } from './transport.ts'

/** What a person needs to consent on another device, and what we then ask for the tokens with (RFC 8628 section 3.2). */
export interface DeviceAuthorization {
  readonly deviceCode: Secret
  /** What the person types: 1 to 64 printable ASCII characters. */
  readonly userCode: string
  /** Where the person types it; https, plain http only where the client may use it. */
  readonly verificationUri: string
  /** The same with the code in it; absent where the provider gave none that may be shown. */
  readonly verificationUriComplete?: string | undefined
  /** Seconds, from 1 to a day. */
  readonly expiresIn: number
  /** Least seconds between two token requests, from 1 to 300. */
  readonly interval: number
}

/** What came of one device authorization request: a fact, not yet a judgement. */
export type DeviceAuthorizationAnswer =
  | { readonly kind: 'begun'; readonly authorization: DeviceAuthorization }
  /** There is no device authorization endpoint. */
  | { readonly kind: 'unsupported' }
  | ErrorAnswer
  | {
      readonly kind: 'unusable'
      readonly status: number
      /** The member that is missing or cannot be used; absent where the answer as a whole cannot be read. */
      readonly member?: 'device_code' | 'user_code' | 'verification_uri' | 'expires_in' | undefined
    }
  | Silence

/** It travels only in form bodies, as a refresh token does. */
const deviceCodeText = /^[\x20-\x7e]{1,16384}$/
/** Meant for typing (RFC 8628 section 6.1); the bound is ours, several times the longest code seen. */
const userCodeText = /^[\x21-\x7e](?:[\x20-\x7e]{0,62}[\x21-\x7e])?$/
const longestUri = 2048
/** Seconds. */
const defaultInterval = 5
const longestInterval = 300
const longestLife = 86_400

/**
 * Begins a device authorization grant, RFC 8628 section 3.1.
 *
 * @throws EvertokenError `invalid_configuration` when a key of the client cannot be read.
 */
export async function requestDeviceAuthorization(
  server: ServerMetadata,
  client: ClientRegistration,
  message: TokenRequestMessage,
  wire: Wire,
): Promise<DeviceAuthorizationAnswer> {
  const endpoint = endpointOf(client, 'device_authorization', server.deviceAuthorizationEndpoint)
  if (endpoint === undefined) return { kind: 'unsupported' }
  const target = { endpoint, operation: 'device_authorization', given: message.parameters } as const
  const answer = await exchangeForm(target, server, client, wire, (request) =>
    oauth.deviceAuthorizationRequest(
      { ...request.server, device_authorization_endpoint: request.url.href },
      request.client,
      request.authenticate,
      parametersOf({}, { ...message, scope: consentScope(client, message.scope) }),
      request.options,
    ),
  )
  const read = readObjectAnswer(answer, wire.now(), client.dialect)
  return read.kind === 'object' ? readAuthorization(read.body, read.status, client.insecureHttp) : read
}

export interface DeviceCodeMessage extends TokenRequestMessage {
  readonly deviceCode: Secret
}

/** Asks once whether the person has consented, RFC 8628 section 3.4. A device code gives tokens once. */
export function deviceCodeGrant(
  server: ServerMetadata,
  client: ClientRegistration,
  message: DeviceCodeMessage,
  wire: Wire,
): Promise<TokenAnswer> {
  const own = { device_code: message.deviceCode }
  return requestToken(server, client, 'device_token', own, message, wire)
}

function readAuthorization(
  body: JsonObject,
  status: number,
  insecureHttp: boolean,
): DeviceAuthorizationAnswer {
  const deviceCode = member(body, 'device_code')
  const userCode = member(body, 'user_code')
  // Google has kept the name of a draft.
  const uri = readUri(member(body, 'verification_uri') ?? member(body, 'verification_url'), insecureHttp)
  const complete = readUri(member(body, 'verification_uri_complete'), insecureHttp)
  const expiresIn = readSeconds(member(body, 'expires_in'), longestLife)
  if (typeof deviceCode !== 'string' || !deviceCodeText.test(deviceCode))
    return { kind: 'unusable', status, member: 'device_code' }
  if (typeof userCode !== 'string' || !userCodeText.test(userCode))
    return { kind: 'unusable', status, member: 'user_code' }
  if (uri === undefined) return { kind: 'unusable', status, member: 'verification_uri' }
  if (expiresIn === undefined) return { kind: 'unusable', status, member: 'expires_in' }
  return {
    kind: 'begun',
    authorization: {
      deviceCode: new Secret(deviceCode),
      userCode,
      verificationUri: uri,
      ...(complete === undefined ? {} : { verificationUriComplete: complete }),
      expiresIn,
      interval: readSeconds(member(body, 'interval'), longestInterval) ?? defaultInterval,
    },
  }
}

/** A person is to open it: only what a secret might be sent to, in the spelling of a URL, which is printable ASCII. */
function readUri(value: unknown, insecureHttp: boolean): string | undefined {
  if (typeof value !== 'string' || value.length > longestUri) return undefined
  const url = webAddress(value)
  if (url === undefined || !mayCarrySecrets(url, insecureHttp) || url.href.length > longestUri)
    return undefined
  return url.href
}
