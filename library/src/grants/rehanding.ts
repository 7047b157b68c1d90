import { membersIn } from '../oauth/answer-members.ts'
import { readMetadata } from '../oauth/answer-metadata.ts'
import type { JsonObject } from '../oauth/json-object.ts'
import { isStandardMember, keptToken } from '../oauth/kept-answer.ts'
import { type GrantDefinition, writeDefinition } from './definition.ts'
import type { GrantRecord, TokenRow } from './grant.ts'
import { allowedNames, withCarried } from './metadata.ts'
import type { Seal } from './seal.ts'
import { openedPayload, sealPayload } from './token-payload.ts'

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
