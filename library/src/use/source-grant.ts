import type { GrantDefinition } from '../grants/definition.ts'

const longestName = 128

/**
 * What errors and events call the grant of a token source, to which nobody gave a name: `abc-at-auth.example.com`, by its client
 * and the host of its provider.
 */
export function sourceName({ client: { clientId, provider } }: GrantDefinition): string {
  const { hostname } = new URL(provider.kind === 'issuer' ? provider.issuer : provider.metadata.tokenEndpoint)
  return (clientId === '' ? hostname : `${clientId}-at-${hostname}`)
    .replaceAll(/[^A-Za-z0-9._-]+/g, '_')
    .replace(/^[^A-Za-z0-9]+/, '')
    .slice(0, longestName)
}
