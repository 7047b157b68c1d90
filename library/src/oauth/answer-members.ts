import type { Secret } from '../secret.ts'
import { readAnswerText } from './answer-text.ts'
import { isJsonObject, type JsonObject } from './json-object.ts'

/** Who calls something so means a token, whatever it is called besides. */
const tokenName = /(?:access|refresh|id|session|device)_?(?:token|secret)$/i
export const isTokenName = (name: string): boolean => tokenName.test(name)

/** A shorter token is no more than a word, and looking for it inside of texts would find it everywhere. */
const shortestToken = 8

/** The members of an answer that was read as one before, so that a form is one; none where it is no object. */
export function answerObject(whole: Secret): JsonObject {
  const answer = readAnswerText(whole.reveal(), {
    'content-type': 'application/x-www-form-urlencoded',
  })?.value
  return isJsonObject(answer) ? answer : {}
}

/** Members of an answer by the names that a user lists, without what is or holds a token of it. */
export function membersIn(
  answer: JsonObject,
  names: readonly string[],
  tokens: readonly string[],
): JsonObject {
  if (names.length === 0) return {}
  const members = names.filter((name) => Object.hasOwn(answer, name) && !tokenName.test(name))
  return withoutTokens(Object.fromEntries(members.map((name) => [name, answer[name]])), [
    ...tokens,
    ...tokensIn(answer),
  ])
}

/** Whether a text is a token, or has one in it. */
export function isToken(text: string, tokens: readonly string[]): boolean {
  for (const token of tokens)
    if (text === token || (token.length >= shortestToken && text.includes(token))) return true
  return false
}

export function withoutTokens(members: JsonObject, tokens: readonly string[]): JsonObject {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined && !holdsAny(value, tokens)),
  )
}

function holdsAny(value: unknown, tokens: readonly string[]): boolean {
  if (typeof value === 'string') return isToken(value, tokens)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, inner]) => tokens.includes(name) || holdsAny(inner, tokens))
}

/** Every text of an answer, however deep, that is called a token: also of those that nobody asked for. */
export function tokensIn(value: unknown, found: string[] = []): readonly string[] {
  if (typeof value !== 'object' || value === null) return found
  for (const [name, inner] of Object.entries(value)) {
    if (typeof inner !== 'string') tokensIn(inner, found)
    else if (inner !== '' && tokenName.test(name)) found.push(inner)
  }
  return found
}
