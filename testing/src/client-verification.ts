import { createHash, timingSafeEqual } from 'node:crypto'
import { OAuthError } from './answer.ts'
import { AssertionRefused, claimedNames, verifyAssertion } from './assertion-verification.ts'
import type { Exchange, Parameters, Practice } from './exchange.ts'
import type { PracticeClientAuthentication } from './practice-clients.ts'
import type { ResolvedClient } from './practice-options.ts'

/** What a request brought to show which client it is. */
type Presented =
  | { readonly how: 'basic' | 'post'; readonly clientId: string; readonly secret: string }
  | { readonly how: 'assertion'; readonly clientId: string; readonly assertion: string }
  | { readonly how: 'none'; readonly clientId: string }

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/**
 * The client that sent the request, once it proved it by the method that it is registered with (RFC 6749 section 2.3,
 * RFC 7523 section 2.2); `undefined` when the request names no client at all.
 */
export async function verifyClient(
  exchange: Exchange,
  form: Parameters,
  practice: Practice,
): Promise<ResolvedClient | undefined> {
  const presented = readPresented(exchange.headers.authorization, form)
  if (presented === undefined) return undefined
  const client = practice.options.clients.get(presented.clientId)
  if (client === undefined) throw refusal('the client is not registered')
  exchange.record.clientId = client.clientId
  const expected = client.authentication.method
  if (!howOf(client.authentication).includes(presented.how))
    throw refusal(`the client is registered to authenticate with ${expected}`)
  if (presented.how === 'assertion') await verifyClientAssertion(presented.assertion, client, practice)
  else if (presented.how !== 'none' && !isSecretOf(client, presented.secret))
    throw refusal('the client secret is wrong')
  exchange.record.clientAuthentication = expected
  return client
}

/** As {@link verifyClient}, where a request without a client is refused. */
export async function needClient(
  exchange: Exchange,
  form: Parameters,
  practice: Practice,
): Promise<ResolvedClient> {
  const client = await verifyClient(exchange, form, practice)
  if (client === undefined) throw refusal('the request names no client')
  return client
}

/** RFC 6749 section 2.3: a client must not use more than one method in a request. */
function readPresented(authorization: string | undefined, form: Parameters): Presented | undefined {
  const found: Presented[] = []
  const named = form.get('client_id')
  if (authorization !== undefined) found.push(readBasic(authorization))
  const assertion = form.get('client_assertion')
  if (assertion !== undefined) found.push(readAssertion(assertion, form, named))
  const secret = form.get('client_secret')
  if (secret !== undefined) found.push({ how: 'post', clientId: form.need('client_id'), secret })
  if (found.length > 1)
    throw new OAuthError('invalid_request', 'the client authenticates in more than one way')
  const [presented] = found
  if (presented === undefined) return named === undefined ? undefined : { how: 'none', clientId: named }
  if (named !== undefined && named !== presented.clientId)
    throw refusal('client_id is not the client that authenticates')
  return presented
}

/** RFC 6749 section 2.3.1: id and secret are form-encoded before they are joined by a colon. */
function readBasic(authorization: string): Presented {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization) ?? []
  if (encoded === undefined) throw refusal('the Authorization header is not HTTP Basic')
  const [, clientId, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  if (clientId === undefined || secret === undefined) throw refusal('the Basic credentials have no colon')
  return { how: 'basic', clientId: formDecode(clientId), secret: formDecode(secret) }
}

function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw refusal('the Basic credentials are not form-encoded (RFC 6749 section 2.3.1)')
  }
}

function readAssertion(assertion: string, form: Parameters, named: string | undefined): Presented {
  if (form.get('client_assertion_type') !== assertionType)
    throw new OAuthError('invalid_request', `client_assertion_type must be ${assertionType}`)
  try {
    const { subject } = claimedNames(assertion)
    // The sub of a platform's JWT names the workload; whether it is the client's is seen once it is verified.
    const clientId = named ?? subject
    if (clientId === undefined) throw refusal('the client assertion has no sub')
    return { how: 'assertion', clientId, assertion }
  } catch (error) {
    if (error instanceof AssertionRefused) throw refusal(error.message)
    throw error
  }
}

async function verifyClientAssertion(
  assertion: string,
  client: ResolvedClient,
  practice: Practice,
): Promise<void> {
  try {
    // RFC 7523 section 3: iss and sub are both the client id, unless a platform signs.
    const platform = 'platform' in client.authentication ? client.authentication.platform : undefined
    const { issuer, subject } = platform ?? { issuer: client.clientId, subject: client.clientId }
    const accepted = await verifyAssertion(assertion, issuer, client.keys, practice, platform === undefined)
    if (accepted.subject !== subject) throw refusal('the sub of the client assertion is not the client')
    if (practice.options.issuerAudienceOnly && accepted.audience !== practice.issuer)
      throw refusal('the aud of the client assertion is not the issuer alone')
    accepted.spend()
  } catch (error) {
    if (error instanceof AssertionRefused) throw refusal(error.message)
    throw error
  }
}

function howOf({ method }: PracticeClientAuthentication): readonly Presented['how'][] {
  switch (method) {
    case 'none':
      return ['none']
    case 'client_secret_basic':
      return ['basic']
    case 'client_secret_post':
      return ['post']
    case 'client_secret_jwt':
    case 'private_key_jwt':
      return ['assertion']
    default:
      return method satisfies never
  }
}

/** All are compared, whichever fits. */
function isSecretOf({ authentication }: ResolvedClient, given: string): boolean {
  const secrets = 'secret' in authentication ? [authentication.secret].flat() : []
  return secrets.filter((secret) => sameSecret(given, secret)).length > 0
}

function sameSecret(given: string, expected: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(given), hash(expected))
}

/** 401 must name a scheme (RFC 9110 section 15.5.2), and Basic is what a client may try (RFC 6749 section 5.2). */
function refusal(description: string): OAuthError {
  return new OAuthError('invalid_client', description, {
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="practice server"' },
  })
}
