import type { Path } from './origin.ts'

type Members = Readonly<Record<string, unknown>>

/** The part of JSON Schema that says where null is a value like any other. */
interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>
  readonly additionalProperties?: boolean | Shape
  readonly anyOf?: readonly Shape[]
  readonly type?: string
}

/**
 * One profile over another: maps are put together, lists and all else replaced, and null takes away what the lower one has,
 * unless the schema of the whole has a meaning for it there.
 *
 * @param nothing the error for a null that takes nothing away, which was surely meant otherwise.
 */
export function merged(
  base: Members,
  over: Members,
  schema: object,
  nothing: (path: Path) => Error,
  path: Path = [],
): Record<string, unknown> {
  // Not by assignment into an object with a prototype: a header may be called __proto__.
  const result = new Map<string, unknown>(Object.entries(base))
  for (const [key, value] of Object.entries(over)) {
    const place = [...path, key]
    const shape = memberOf(schema, key)
    const below = result.get(key)
    if (value === null && !hasMeaning(shape)) {
      if (!result.delete(key)) throw nothing(place)
    } else
      result.set(key, isMap(value) ? merged(isMap(below) ? below : {}, value, shape, nothing, place) : value)
  }
  return Object.fromEntries(result)
}

const isMap = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function memberOf(schema: Shape, key: string): Shape {
  const { properties = {}, additionalProperties } = schema
  if (Object.hasOwn(properties, key)) return properties[key] ?? {}
  return typeof additionalProperties === 'object' ? additionalProperties : {}
}

const hasMeaning = ({ anyOf = [] }: Shape): boolean => anyOf.some(({ type }) => type === 'null')
