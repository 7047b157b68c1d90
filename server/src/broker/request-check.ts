import { EvertokenError } from 'evertoken'
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'

/**
 * Holds queries and bodies against their schemas. Texts of a query become the numbers and booleans they are to be,
 * bodies are taken as they are. The error names the member and never repeats its value.
 */
export const requestCheck: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  // Ids in the path are looked up as they come: whatever they are, they name a grant or they do not.
  if (httpPart === 'params') return () => true
  const check = Compile(schema)
  const numbers = httpPart === 'body' ? [] : named(schema, 'integer')
  const booleans = httpPart === 'body' ? [] : named(schema, 'boolean')
  return (value: unknown) => {
    for (const name of numbers) readNumber(value as Record<string, unknown>, name)
    for (const name of booleans) readBoolean(value as Record<string, unknown>, name)
    if (check.Check(value)) return { value }
    return { error: new EvertokenError('invalid_request', mistake(check.Errors(value)[0], httpPart)) }
  }
}

interface Mistake {
  readonly keyword: string
  /** JSON pointer. */
  readonly instancePath: string
  readonly message: string
}

function mistake(first: Mistake | undefined, part: string | undefined): string {
  const whole = part === 'body' ? 'the body' : 'the query'
  const name = first?.instancePath.slice(1, 101).replaceAll('/', '.') ?? ''
  // `additionalProperties: false`, as the checker puts it.
  if (first?.keyword === 'boolean') return `${whole} has no member ${JSON.stringify(name)}`
  return `${name === '' ? whole : name} ${first?.message ?? 'is wrong'}`
}

/** The members that are to be of that type. */
function named(schema: TSchema, type: 'integer' | 'boolean'): readonly string[] {
  const { properties = {} } = schema as { properties?: Readonly<Record<string, { type?: string }>> }
  return Object.keys(properties).filter((name) => properties[name]?.type === type)
}

function readNumber(query: Record<string, unknown>, name: string): void {
  const text = query[name]
  if (typeof text === 'string' && /^\d{1,15}$/.test(text)) query[name] = Number(text)
}

function readBoolean(query: Record<string, unknown>, name: string): void {
  const text = query[name]
  if (text === 'true' || text === 'false') query[name] = text === 'true'
}
