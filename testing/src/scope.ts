import { OAuthError } from './answer.ts'
import type { Parameters } from './exchange.ts'
import type { ResolvedClient } from './practice-options.ts'

/** The scope that a request asks for; `undefined` if it asks for none. Syntax: RFC 6749 section 3.3. */
function readScope(parameters: Parameters): readonly string[] | undefined {
  const text = parameters.get('scope')
  if (text === undefined) return undefined
  const scope = text.split(' ')
  if (!scope.every((token) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(token)))
    throw new OAuthError('invalid_scope', 'the scope is malformed')
  return [...new Set(scope)]
}

/** What a client gets that asks for the first time. */
export function firstScope(parameters: Parameters, client: ResolvedClient | undefined): readonly string[] {
  const asked = readScope(parameters)
  const allowed = client?.scope
  if (asked === undefined) return allowed ?? []
  return allowed === undefined ? asked : within(asked, allowed, 'the client may not have that scope')
}

/** What a refresh gets: the login's scope, or less (RFC 6749 section 6). */
export function refreshedScope(parameters: Parameters, granted: readonly string[]): readonly string[] {
  const asked = readScope(parameters)
  return asked === undefined ? granted : within(asked, granted, 'the scope is more than was granted')
}

function within(
  asked: readonly string[],
  allowed: readonly string[],
  description: string,
): readonly string[] {
  if (!asked.every((token) => allowed.includes(token))) throw new OAuthError('invalid_scope', description)
  return asked
}

/** `resource` of RFC 8707: absolute URIs without a fragment; they become the token's `aud`. */
export function readAudience(parameters: Parameters): readonly string[] {
  const resources = parameters.all('resource')
  for (const resource of resources)
    if (!URL.canParse(resource) || resource.includes('#'))
      throw new OAuthError('invalid_target', 'resource must be an absolute URI without a fragment')
  return resources
}
