import type { Secret } from '../secret.ts'
import type { ClientRegistration } from './client.ts'
import { readProviderError } from './error-response.ts'
import { isJsonObject, member, parseJson } from './json-object.ts'
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

/**
 * Whether an answer says that the client was not let in: `invalid_client` (RFC 6749 section 5.2), or a 401 that names no
 * error, as gateways give it. One with tokens in it says something else, whatever its status.
 */
export function refusesClient({ status, body }: WireResponse): boolean {
  const said = readProviderError(body, [])
  if (said !== undefined) return said.error === 'invalid_client'
  const answer = parseJson(body)?.value
  const holdsTokens =
    isJsonObject(answer) &&
    ['access_token', 'refresh_token'].some((name) => member(answer, name) !== undefined)
  return status === 401 && !holdsTokens
}

function nameOf({ provider, clientId }: ClientRegistration): string {
  return `${provider.kind === 'issuer' ? provider.issuer : provider.metadata.tokenEndpoint}\n${clientId}`
}
