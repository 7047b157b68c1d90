import type { Secret } from '../secret.ts'
import { type AnswerReading, readOwnWords } from './answer-dialect.ts'
import { readAnswerText } from './answer-text.ts'
import type { ClientRegistration } from './client.ts'
import { readErrorMember } from './error-response.ts'
import { isJsonObject } from './json-object.ts'
import type { UnusableAnswer } from './token-answer.ts'
import { readTokenAnswer } from './token-response.ts'
import type { WireResponse } from './transport.ts'

/** Enough for every client of a large house; beyond it the one that was noted first is forgotten. */
const mostClients = 1_000

/**
 * The secret that worked last, by provider and client, so that not every request begins with a refusal while a secret is
 * being rotated. It lives as long as the process and stands nowhere else. A secret and not its place in the list: the
 * list changes in the course of a rotation.
 */
const working = new Map<string, Secret>()

/**
 * The client with each secret that it has, in the order of trying: the one that worked last, else as they are written.
 * Whichever it proves itself with, it goes on knowing both, so that neither is ever shown.
 */
export function bySecret(client: ClientRegistration): readonly [ClientRegistration, ClientRegistration?] {
  const { authentication } = client
  if (!('secret' in authentication) || authentication.secondSecret === undefined) return [client]
  const { secret, secondSecret } = authentication
  const other = {
    ...client,
    authentication: { ...authentication, secret: secondSecret, secondSecret: secret },
  }
  return working.get(nameOf(client))?.reveal() === secondSecret.reveal() ? [other, client] : [client, other]
}

/** From now on this process begins with the secret that stands first here. */
export function beginWith(client: ClientRegistration): void {
  const { authentication } = client
  if (!('secret' in authentication)) return
  const name = nameOf(client)
  working.delete(name)
  working.set(name, authentication.secret)
  if (working.size > mostClients) working.delete(working.keys().next().value as string)
}

/** From now on this process begins again with the secret that is written first. */
export function beginAnew(client: ClientRegistration): void {
  working.delete(nameOf(client))
}

/** A code that blames what the client proves itself with, where a profile calls it a matter of configuration. */
const secretCode = /^invalid_client$|client_?(?:secret|credentials)/i

/**
 * Whether an answer says that the client was not let in: `invalid_client` (RFC 6749 section 5.2), a code of the provider's own
 * that says so, or a 401 that names no error, as gateways give it. One with tokens in it says something else, whatever its
 * status, and so does one that a rule of the profile takes for something else.
 */
export function refusesClient(response: WireResponse, reading?: AnswerReading | undefined): boolean {
  const { status, headers, body } = response
  const answer = readTokenAnswer(response, [], 0, reading)
  if (answer.kind === 'error' && answer.means !== undefined)
    return answer.means === 'configuration' && (status === 401 || secretCode.test(answer.error))
  if (answer.kind === 'error' && answer.error === 'invalid_client') return true
  const document = readAnswerText(body, headers)?.value
  const named = isJsonObject(document) ? readErrorMember(document, []) : undefined
  const own = reading?.answer === undefined ? undefined : readOwnWords(document, reading.answer, [])
  if (status !== 401 || named !== undefined || own !== undefined) return false
  return answer.kind === 'error' || (answer.kind === 'unusable' && !holdsTokens(answer))
}

const holdsTokens = ({ reason, refreshToken }: UnusableAnswer): boolean =>
  reason === 'bad_access_token' || refreshToken !== undefined

/** Names a client among those of all providers. */
export function nameOf({ provider, clientId }: Pick<ClientRegistration, 'provider' | 'clientId'>): string {
  return `${provider.kind === 'issuer' ? provider.issuer : provider.metadata.tokenEndpoint}\n${clientId}`
}
