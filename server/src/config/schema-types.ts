import { defaultTiming } from 'evertoken'
import { type Static, type TProperties, type TSchema, Type } from 'typebox'

/** The kinds of values that our schemas are made of. */

/** Keys that are not named here are errors, never ignored. */
export const keys = <P extends TProperties>(properties: P, description?: string) =>
  Type.Object(properties, { additionalProperties: false, ...(description && { description }) })

export const oneOf = <const T extends string>(values: readonly T[], description?: string) =>
  Type.Unsafe<T>({ type: 'string', enum: values, ...(description && { description }) })

export const text = (description: string) => Type.String({ minLength: 1, description })
/** `writeOnly`: never repeated in a message, and an empty one is an error of its own. */
export const secret = (description: string) => Type.String({ writeOnly: true, description })
/** The same, or a list of two, both good while one takes the other's place. */
export const secretOrTwo = (description: string) =>
  Type.Union(
    [
      Type.String({ writeOnly: true }),
      Type.Array(Type.String({ writeOnly: true }), { minItems: 1, maxItems: 2 }),
    ],
    { writeOnly: true, description },
  )
export const file = (description: string) => Type.String({ minLength: 1, description })
export const url = (description: string) => Type.String({ format: 'uri', description })
/** An address in which `{name}` stands for a variable of the profile (RFC 6570, level 1). */
export const urlTemplate = (description: string) => Type.String({ format: 'uri-template', description })
export const seconds = (description: string) => Type.Number({ minimum: 0, maximum: 10 ** 10, description })
/** No shorter than a request is waited for: until then it cannot be taken as dead. */
export const quietSeconds = (description: string) =>
  Type.Number({ minimum: defaultTiming.deadline / 1000, maximum: 10 ** 10, description })
export const flag = (description: string) => Type.Boolean({ description })
export const texts = (description: string) =>
  Type.Union([Type.String(), Type.Array(Type.String())], { description })
export const list = <T extends TSchema>(items: T, description: string) => Type.Array(items, { description })
export const named = (description: string) => mapOf(Type.String(), description)
export const anything = (description: string) =>
  Type.Unsafe<Record<string, unknown>>({ type: 'object', additionalProperties: {}, description })

/** What the names of a map are, and how they are written. */
export interface Names {
  readonly title: string
  readonly pattern: string
  /** For advice: what they are made of. */
  readonly description: string
}

/** Values by a name of the user's choice. */
export const mapOf = <T extends TSchema>(values: T, description: string, names?: Names) =>
  Type.Unsafe<Record<string, Static<T>>>({
    type: 'object',
    ...(names && { propertyNames: names }),
    additionalProperties: values,
    description,
  })
