import { nearestKey } from './nearest-key.ts'
import { type Fault, fault, type Origin, type Path } from './origin.ts'
import type { Names } from './schema-types.ts'
import { hasCredentials, textFormats } from './text-format.ts'

/** The part of JSON Schema that our schemas use. */
interface Shape {
  readonly description?: string
  readonly type?: string
  readonly properties?: Readonly<Record<string, Shape>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Shape
  readonly propertyNames?: Names
  readonly items?: Shape
  readonly minItems?: number
  readonly maxItems?: number
  readonly anyOf?: readonly Shape[]
  readonly enum?: readonly string[]
  readonly pattern?: string
  readonly format?: string
  readonly minLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly writeOnly?: boolean
  /** In messages, in place of the kind of value. */
  readonly title?: string
  readonly examples?: readonly string[]
}

/** How deep claims and other free values may go. */
const deepest = 8

/**
 * Holds options against their schema. The first difference is an error that says where, what was found and what is
 * expected; a secret is never repeated in it.
 */
export function checkOptions(schema: object, value: unknown, origin: Origin, path: Path = []): void {
  const shape: Shape = schema
  const fail = (problem: string, facts?: Fault): Error => fault(origin, path, problem, facts)
  if (shape.writeOnly && (value === null || (typeof value === 'string' && value.trim() === '')))
    throw fail('this secret is empty', {
      code: 'empty_secret',
      advice: 'Give the secret itself, or leave the key out if there is none.',
    })
  if (shape.anyOf !== undefined) {
    const branch = shape.anyOf.find((one) => isOfType(value, one.type))
    if (branch === undefined) throw fail(`found ${found(value, shape)}, expected ${expected(shape)}`)
    checkOptions(branch, value, origin, path)
    return
  }
  if (shape.type === undefined) {
    checkDepth(value, origin, path, 0)
    return
  }
  if (!isOfType(value, shape.type))
    throw fail(`found ${found(value, shape)}, expected ${expected(shape)}`, {
      advice: typeAdvice(shape, value),
    })
  if (typeof value === 'string') checkText(shape, value, fail)
  else if (typeof value === 'number') {
    const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = shape
    if (!(value >= minimum && value <= maximum))
      throw fail(`found ${value}, expected a number from ${minimum} to ${maximum}`)
  } else if (Array.isArray(value)) {
    if (value.length < (shape.minItems ?? 0)) throw fail('this list is empty')
    const { maxItems = Number.POSITIVE_INFINITY } = shape
    if (value.length > maxItems) throw fail(`this list holds ${value.length}, and at most ${maxItems} may be`)
    for (const [index, item] of value.entries())
      checkOptions(shape.items ?? {}, item, origin, [...path, String(index)])
  } else if (typeof value === 'object' && value !== null)
    checkMap(shape, value as Readonly<Record<string, unknown>>, origin, path)
}

/** Of a number the description says the unit: whoever wrote `1h` has missed it. */
function typeAdvice({ type, description }: Shape, value: unknown): string | undefined {
  if (type === 'number' || type === 'integer') return description
  const wantsQuotes = type === 'string' && (typeof value === 'number' || typeof value === 'boolean')
  return wantsQuotes ? 'Put it in quotes.' : undefined
}

function checkText(shape: Shape, value: string, fail: (problem: string, facts?: Fault) => Error): void {
  if (value.length < (shape.minLength ?? 0)) throw fail('this is empty')
  if (shape.enum !== undefined && !shape.enum.includes(value)) {
    const meant = nearestKey(value, shape.enum)
    throw fail(`found ${found(value, shape)}, expected ${expected(shape)}`, {
      advice: meant === undefined ? undefined : `Did you mean ${meant}?`,
    })
  }
  const format = shape.format === undefined ? undefined : textFormats[shape.format]
  if (format !== undefined && !format.fits(value))
    throw fail(`found ${found(value, shape)}, expected ${format.expected}`, { advice: format.advice })
  if (shape.format?.startsWith('uri') && hasCredentials(value))
    throw fail('this URL holds a user name or password', {
      advice: 'Put the client id and secret into their own keys.',
    })
  if (shape.pattern !== undefined && !new RegExp(shape.pattern).test(value))
    throw fail(`found ${found(value, shape)}, expected ${expected(shape)}`)
}

function checkMap(shape: Shape, map: Readonly<Record<string, unknown>>, origin: Origin, path: Path): void {
  const { properties = {}, required = [], additionalProperties, propertyNames: names } = shape
  for (const key of Object.keys(map)) {
    if (names !== undefined && !new RegExp(names.pattern).test(key))
      throw fault(origin, [...path, key], `this cannot name ${names.title}`, {
        code: names.title === 'a grant' ? 'invalid_grant_id' : undefined,
        advice: `Use ${names.description}.`,
      })
    if (Object.hasOwn(properties, key) || additionalProperties !== false) continue
    const known = Object.keys(properties)
    const meant = nearestKey(key, known)
    throw fault(origin, [...path, key], 'there is no such key', {
      code: 'unknown_key',
      advice: meant === undefined ? `The keys here are ${known.join(', ')}.` : `Did you mean ${meant}?`,
    })
  }
  for (const key of required)
    if (!Object.hasOwn(map, key))
      throw fault(origin, path, `${key} is missing, expected ${expected(properties[key] ?? {})}`)
  for (const [key, value] of Object.entries(map)) {
    const member = Object.hasOwn(properties, key) ? properties[key] : additionalProperties
    if (typeof member === 'object') checkOptions(member, value, origin, [...path, key])
  }
}

function checkDepth(value: unknown, origin: Origin, path: Path, depth: number): void {
  if (typeof value !== 'object' || value === null) return
  if (depth >= deepest) throw fault(origin, path, `this is nested more than ${deepest} deep`)
  for (const member of Object.values(value)) checkDepth(member, origin, path, depth + 1)
}

const isOfType = (value: unknown, type: string | undefined): boolean =>
  type === 'integer' ? Number.isInteger(value) : type === kindOf(value)

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function found(value: unknown, shape: Shape): string {
  switch (kindOf(value)) {
    case 'null':
    case 'undefined':
      return 'nothing'
    case 'array':
      return 'a list'
    case 'object':
      return 'a map of keys'
    case 'string': {
      const text = String(value)
      // Somebody may have put a secret into the wrong place: what may be one stays out of messages as well.
      return shape.writeOnly || text.length > 40 || text.includes('@')
        ? 'a text'
        : `the text ${JSON.stringify(text)}`
    }
    default:
      return shape.writeOnly ? `a ${typeof value}` : `the ${typeof value} ${String(value)}`
  }
}

function expected(shape: Shape): string {
  if (shape.title !== undefined) return shape.title
  if (shape.anyOf !== undefined) return shape.anyOf.map(expected).join(' or ')
  if (shape.enum !== undefined) return `one of ${shape.enum.join(', ')}`
  switch (shape.type) {
    case 'string':
      return shape.examples === undefined
        ? (textFormats[shape.format ?? '']?.expected ?? 'a text')
        : `a text such as ${shape.examples[0]}`
    case 'integer':
      return 'a whole number'
    case 'null':
      return 'nothing'
    case 'boolean':
      return 'true or false'
    case 'array':
      return 'a list'
    case 'object':
      return 'a map of keys'
    default:
      return `a ${shape.type ?? 'value'}`
  }
}
