import { answerObject, membersIn } from '../oauth/answer-members.ts'
import type { JsonObject } from '../oauth/json-object.ts'
import { keptAnswer, withEarlier } from '../oauth/kept-answer.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import type { Secret } from '../secret.ts'
import type { GrantDefinition } from './definition.ts'
import type { TokenPayload } from './token-payload.ts'

/** The names under which readers may get something beside a token: of the profile, of the callback, and of the user. */
export function allowedNames({ metadata, client: { dialect } }: GrantDefinition): ReadonlySet<string> {
  const { answer, consent } = dialect ?? {}
  return new Set([...Object.keys(answer?.metadata ?? {}), ...(consent?.metadata ?? []), ...metadata])
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

/** What stands in `found`, and for the other allowed names what stood before: a refresh leaves out what has not changed. */
export function withCarried(definition: GrantDefinition, found: JsonObject, before: JsonObject): JsonObject {
  const carried = [...allowedNames(definition)].filter(
    (name) => !isGiven(found[name]) && Object.hasOwn(before, name) && isGiven(before[name]),
  )
  return { ...found, ...Object.fromEntries(carried.map((name) => [name, before[name]])) }
}

/**
 * What is handed out beside a token and what is kept of its answer, with what the answer leaves out of those before it.
 *
 * @param held the refresh token that was sent.
 * @param before of the answer before, in the same login.
 * @param callback what the provider sent the person back with, of what its profile names.
 */
export function besideToken(
  definition: GrantDefinition,
  response: TokenResponse,
  held: Secret | undefined,
  before: TokenPayload | undefined,
  callback: JsonObject = {},
): Pick<TokenPayload, 'metadata' | 'answer'> {
  const { whole, secondary = {} } = response
  const tokens = [response, ...Object.values(secondary)]
    .flatMap(({ accessToken, refreshToken, idToken }) => [accessToken, refreshToken, idToken])
    .concat(held)
    .flatMap((token) => token?.reveal() ?? [])
  const said = answerObject(whole)
  const found = { ...callback, ...response.metadata, ...membersIn(said, definition.metadata, tokens) }
  const kept = keptAnswer(said, tokens)
  const answer = kept && before?.answer ? withEarlier(kept, before.answer) : kept
  return { metadata: withCarried(definition, found, before?.metadata ?? {}), answer }
}
