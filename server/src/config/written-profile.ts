import { Type } from 'typebox'
import { profileSchema } from './profile-schema.ts'
import { file, text } from './schema-types.ts'

/** A profile as people write it: the name may be left out, and where another is extended, everything that stays as it is there. */
export type WrittenProfile = Readonly<Record<string, unknown>> & {
  readonly id?: string
  readonly extends?: string
  readonly profile_file?: string
}

interface JsonSchema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | JsonSchema
  readonly anyOf?: readonly JsonSchema[]
}

/** Any part of what the schema describes. Null stands for what is to be taken away; lists are given whole or not at all. */
function partOf(schema: JsonSchema): JsonSchema {
  const { required: _, properties, additionalProperties, ...rest } = schema
  if (properties !== undefined)
    return {
      ...rest,
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, member]) => [name, orNull(partOf(member))]),
      ),
      ...(additionalProperties !== undefined && { additionalProperties }),
    }
  if (typeof additionalProperties === 'object')
    return { ...schema, additionalProperties: orNull(partOf(additionalProperties)) }
  return schema
}

function orNull(schema: JsonSchema): JsonSchema {
  if (schema.anyOf?.some(({ type }) => type === 'null')) return schema
  const nothing = { type: 'null' }
  if (schema.anyOf !== undefined) return { ...schema, anyOf: [...schema.anyOf, nothing] }
  const { description, ...one } = schema
  return { anyOf: [one, nothing], ...(description !== undefined && { description }) }
}

const { properties, ...whole } = partOf(profileSchema as object as JsonSchema)

/** What stands under `provider` of a client, under `providers`, and in a file of its own. */
export const writtenProfileSchema = Type.Unsafe<WrittenProfile>({
  ...whole,
  properties: {
    extends: text(
      'The profile that this one is like, by its id: one of providers, or of the catalogue. What stands here goes over it: maps are put together, lists and all else replaced, null takes away.',
    ),
    profile_file: file(
      'The same with the profile in a file, YAML or JSON; a relative path counts from this file.',
    ),
    ...properties,
  },
})
