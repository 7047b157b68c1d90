import type { AnswerDialect } from '../providers/profile.ts'
import { rootOf } from './answer-dialect.ts'
import { tokensIn, withoutTokens } from './answer-members.ts'
import { type JsonObject, member } from './json-object.ts'
import { firstAt } from './json-pointer.ts'

/**
 * What a profile wants handed out, by its names: from where tokens lie, else from the top of the answer. Never a token of it, one
 * of the secondary ones, nor a secret of the request that comes back.
 *
 * @param body the same as `normalised` gives it.
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
  const found: [string, unknown][] = []
  for (const [name, pointer] of Object.entries(metadata))
    found.push([name, firstAt(root, pointer) ?? firstAt(document, pointer)])
  const tokens = [...tokenNames.map((name) => member(body, name)), ...sent, ...tokensIn(document)]
  for (const { root: place } of Object.values(secondary)) {
    const other = firstAt(document, place)
    for (const name of tokenNames) tokens.push(firstAt(other, dialect[name] ?? `/${name}`))
  }
  return withoutTokens(
    Object.fromEntries(found),
    tokens.filter((token) => typeof token === 'string').filter((token) => token !== ''),
  )
}

const tokenNames = ['access_token', 'refresh_token', 'id_token'] as const
