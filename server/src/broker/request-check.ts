import { EvertokenError } from 'evertoken'
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { Value } from 'typebox/value'

/**
 * Holds queries and bodies against their schemas. Texts of a query become the numbers they are to be, bodies are
 * taken as they are. The error names the member and never repeats its value.
 */
export const requestCheck: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  // Ids in the path are looked up as they come: whatever they are, they name a grant or they do not.
  if (httpPart === 'params') return () => true
  const check = Compile(schema)
  return (value: unknown) => {
    const read = httpPart === 'body' ? value : numbersRead(schema, value)
    if (check.Check(read)) return { value: read }
    const [first] = check.Errors(read)
    const place = first?.instancePath.replaceAll('/', '.').slice(1) ?? ''
    const where = place === '' ? (httpPart === 'body' ? 'the body' : 'the query') : place
    return { error: new EvertokenError('invalid_request', `${where} ${first?.message ?? 'is wrong'}`) }
  }
}

function numbersRead(schema: TSchema, value: unknown): unknown {
  for (const _ in value as object) return Value.Convert(schema, value)
  return value
}
