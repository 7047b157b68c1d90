import { isToken, isTokenName, tokensIn } from './answer-members.ts'
import { isJsonObject, type JsonObject } from './json-object.ts'

/** Characters of JSON; what is longer is not kept. No real answer has that much beside its tokens. */
const largestKept = 16_384

/** What stands in a place of its own, once it was read (RFC 6749 section 5.1). */
const tokenMembers: ReadonlySet<string> = new Set(['access_token', 'refresh_token', 'id_token'])
const standard: ReadonlySet<string> = new Set([...tokenMembers, 'token_type', 'expires_in', 'scope'])

/** What stands in place of a token in what is kept: who asks for a member that holds one gets nothing. */
export const keptToken = '[secret]'

/** Whether an answer that has nothing beside the standard members, of which none is kept, would have had this one. */
export const isStandardMember = (name: string): boolean => standard.has(name)

/**
 * What of an answer is kept beside the token that it brought: all of its other members, with {@link keptToken} for each token in them.
 * Empty where it has only the standard ones, which are kept as what they are; undefined where it is longer than 16 KiB.
 *
 * @param tokens that are known of it, and those of the request.
 */
export function keptAnswer(answer: JsonObject, tokens: readonly string[]): JsonObject | undefined {
  if (Object.keys(answer).every((name) => standard.has(name))) return {}
  const others = Object.fromEntries(Object.entries(answer).filter(([name]) => !tokenMembers.has(name)))
  const kept = withoutTokens(others, [...tokens, ...tokensIn(answer)]) as JsonObject
  return fits(kept) ? kept : undefined
}

/** The same with what an answer before had and this one leaves out; this one alone where both are too long. */
export function withEarlier(kept: JsonObject, earlier: JsonObject): JsonObject {
  const all = { ...earlier, ...kept }
  return fits(all) ? all : kept
}

const fits = (kept: JsonObject): boolean => JSON.stringify(kept).length <= largestKept

function withoutTokens(value: unknown, tokens: readonly string[]): unknown {
  if (typeof value === 'string') return isToken(value, tokens) ? keptToken : value
  if (Array.isArray(value)) return value.map((one) => withoutTokens(one, tokens))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !tokens.includes(name))
      .map(([name, inner]) => [
        name,
        typeof inner === 'string' && inner !== '' && isTokenName(name)
          ? keptToken
          : withoutTokens(inner, tokens),
      ]),
  )
}
