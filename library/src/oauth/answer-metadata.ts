import type { AnswerDialect } from '../providers/profile.ts'
import { normalised, rootOf } from './answer-dialect.ts'
import { tokensIn, withoutTokens } from './answer-members.ts'
import { type JsonObject, member } from './json-object.ts'
import { firstAt } from './json-pointer.ts'

/**
 * What a profile wants handed out, by its names: from where tokens lie, else from the top of the answer. Never a token of it, one
 * of the secondary ones, nor a secret of the request that comes back.
 *
 * @param body the same as {@link normalised} gives it.
 */
export function readMetadata(
  document: unknown,
  dialect: AnswerDialect,
  body: JsonObject,
  sent: readonly string[],
): JsonObject | undefined {
  const { metadata, secondary_tokens: secondary = {} } = dialect
  if (metadata === undefined) return undefined
  const root = rootOf(document, dialect)
  const found = Object.entries(metadata).map(
    ([name, pointer]) => [name, firstAt(root, pointer) ?? firstAt(document, pointer)] as const,
  )
  const others = Object.values(secondary).map(({ root }) => normalised(document, { ...dialect, root }, []))
  return withoutTokens(Object.fromEntries(found), [
    ...[body, ...others].flatMap(tokensOf),
    ...tokensIn(document),
    ...sent,
  ])
}

const tokensOf = (body: JsonObject): readonly string[] =>
  ['access_token', 'refresh_token', 'id_token']
    .map((name) => member(body, name))
    .filter((token) => typeof token === 'string')
    .filter((token) => token !== '')
