import { answerObject, membersIn } from '../oauth/answer-members.ts'
import { readMetadata } from '../oauth/answer-metadata.ts'
import type { JsonObject } from '../oauth/json-object.ts'
import { isStandardMember, keptAnswer, keptToken, withEarlier } from '../oauth/kept-answer.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import type { Secret } from '../secret.ts'
import { type GrantDefinition, writeDefinition } from './definition.ts'
import type { GrantRecord, TokenRow } from './grant.ts'
import type { Seal } from './seal.ts'
import { openedPayload, sealPayload, type TokenPayload } from './token-payload.ts'

/** The names under which readers may get something beside a token: of the profile, of the callback, and of the user. */
function allowedNames({ metadata, client: { dialect } }: GrantDefinition): ReadonlySet<string> {
  const { answer, consent } = dialect ?? {}
  return new Set([...Object.keys(answer?.metadata ?? {}), ...(consent?.metadata ?? []), ...metadata])
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null

/** What stands in `found`, and for the other allowed names what stood before: a refresh leaves out what has not changed. */
function withCarried(definition: GrantDefinition, found: JsonObject, before: JsonObject): JsonObject {
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

/** A definition as if nothing were handed out beside its tokens. */
function withoutMetadata(definition: GrantDefinition): string {
  const { client } = definition
  const { dialect } = client
  const silent = dialect && {
    ...dialect,
    ...(dialect.answer && { answer: { ...dialect.answer, metadata: {} } }),
    ...(dialect.consent && { consent: { ...dialect.consent, metadata: [] } }),
  }
  return writeDefinition({ ...definition, metadata: [], client: { ...client, dialect: silent } })
}

/** Whether two definitions differ in nothing but what is handed out: then both want the same tokens. */
export const sameButMetadata = (one: GrantDefinition, other: GrantDefinition): boolean =>
  withoutMetadata(one) === withoutMetadata(other)

/** The tokens of a grant as its new definition hands them out. */
export interface Rehanded {
  readonly tokens: readonly TokenRow[]
  /** Whether a newer answer could not bring more: it is all there, from what was kept. */
  readonly complete: boolean
}

/**
 * Hands the tokens of a grant out otherwise, without a new one: what is allowed now is looked for in the answers that were
 * kept, and what is allowed no more goes.
 *
 * @param fence of the change.
 */
export function rehanded(
  seal: Seal,
  { id, tokens }: Pick<GrantRecord, 'id' | 'tokens'>,
  definition: GrantDefinition,
  fence: number,
): Rehanded {
  const names = allowedNames(definition)
  let complete = true
  const rows = tokens.map((row) => {
    const payload = openedPayload(seal, id, row)
    if (payload === undefined) {
      complete = false
      return row
    }
    const { value, answer } = payload
    if (answer === undefined || (Object.keys(answer).length === 0 && [...names].some(isStandardMember)))
      complete = false
    const stood = Object.fromEntries(Object.entries(payload.metadata).filter(([name]) => names.has(name)))
    const metadata = withCarried(definition, foundIn(definition, answer ?? {}), stood)
    return { ...row, sealed: sealPayload(seal, id, fence, row, { value, metadata, answer }) }
  })
  return { tokens: rows, complete }
}

function foundIn(definition: GrantDefinition, answer: JsonObject): JsonObject {
  const dialect = definition.client.dialect?.answer
  return {
    ...(dialect === undefined ? {} : readMetadata(answer, dialect, {}, [keptToken])),
    ...membersIn(answer, definition.metadata, [keptToken]),
  }
}
