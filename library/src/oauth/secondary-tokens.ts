import type { AnswerDialect, Pointer } from '../providers/profile.ts'
import { isJsonObject, type JsonObject } from './json-object.ts'
import { firstAt } from './json-pointer.ts'

/** A part of an answer that is read as an answer of its own. */
export interface SecondaryPart {
  readonly name: string
  /** Where it lies. */
  readonly root: Pointer
  readonly part: JsonObject
}

/** Where the secondary tokens of an answer lie, by their names in the profile; without those that it does not have. */
export const secondaryParts = (
  document: unknown,
  { secondary_tokens: places = {} }: AnswerDialect,
): readonly SecondaryPart[] =>
  Object.entries(places).flatMap(([name, { root }]) => {
    const part = firstAt(document, root)
    return isJsonObject(part) ? [{ name, root, part }] : []
  })

/** How the answer is read within such a part. */
export function partDialect({ root: _, secondary_tokens: __, ...dialect }: AnswerDialect): AnswerDialect {
  return dialect
}

/**
 * How answers to a secondary token of its own are read: where it lay, and where that place has none as any other token of the
 * provider, which is how Slack answers the refresh of a person's token.
 */
export function secondaryDialect(dialect: AnswerDialect, name: string): AnswerDialect {
  const { root: main = '', secondary_tokens: places, ...rest } = dialect
  const own = places?.[name]?.root ?? []
  return { ...rest, root: [own, main].flat() }
}
