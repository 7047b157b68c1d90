import type { GrantSummary } from 'evertoken'
import type { TokenView } from './grants.ts'

type Json = Record<string, unknown>

/** Members of a summary that are times: UTC ms in the library, ISO 8601 in JSON. */
const times = new Set([
  'createdAt',
  'updatedAt',
  'expiresAt',
  'lastRefreshAt',
  'lastAttemptAt',
  'nextAttemptAt',
  'at',
])
/** Members whose own members are names that people chose. */
const chosen = new Set(['labels'])

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
const camel = (name: string): string =>
  name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A summary as the broker answers it, so that a script reads the same from a store and from a broker. */
export function grantToJson(summary: GrantSummary): Json {
  const write = (part: Json): Json =>
    Object.fromEntries(
      Object.entries(part)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [snake(name), written(name, value)]),
    )
  const written = (name: string, value: unknown): unknown => {
    if (times.has(name) && typeof value === 'number') return new Date(value).toISOString()
    return isObject(value) && !chosen.has(name) ? write(value) : value
  }
  return write({ ...summary })
}

/** The inverse. A broker of another version may say less or more. */
export function grantFromJson(json: Json): GrantSummary {
  const read = (part: Json): Json =>
    Object.fromEntries(
      Object.entries(part).map(([name, value]) => [camel(name), readValue(camel(name), value)]),
    )
  const readValue = (name: string, value: unknown): unknown => {
    if (value === null) return undefined
    if (times.has(name) && typeof value === 'string') return Date.parse(value)
    return isObject(value) && !chosen.has(name) ? read(value) : value
  }
  const least = { failures: 0, generation: 0, scope: [], labels: {}, unresolved: false, otherTokens: 0 }
  return { freshness: 'none', ...least, ...read(json) } as unknown as GrantSummary
}

/** A token as the broker answers it (RFC 6749 section 5.1, and what is ours). */
export function tokenToJson(token: TokenView, utc: number): Json {
  const { value, type, expiresAt, scope, generation, metadata, stale } = token
  return {
    access_token: value,
    token_type: type,
    expires_at: new Date(expiresAt).toISOString(),
    expires_in: Math.max(0, Math.floor((expiresAt - utc) / 1000)),
    scope: scope.join(' '),
    generation,
    ...(Object.keys(metadata).length === 0 ? {} : { metadata }),
    ...(stale ? { stale } : {}),
  }
}

export function tokenFromJson(json: Json): TokenView {
  const { scope } = json
  return {
    value: String(json.access_token),
    type: String(json.token_type),
    expiresAt: Date.parse(String(json.expires_at)),
    scope: typeof scope === 'string' ? scope.split(' ').filter(Boolean) : ((scope ?? []) as string[]),
    generation: Number(json.generation),
    metadata: isObject(json.metadata) ? json.metadata : {},
    stale: json.stale === true,
  }
}
