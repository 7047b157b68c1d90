import type { JsonObject } from '../oauth/json-object.ts'
import type { TokenRow } from './grant.ts'
import type { Seal } from './seal.ts'

/** What is sealed of an access token. */
export interface TokenPayload {
  /** The token itself. */
  readonly value: string
  /** What is handed out beside it. */
  readonly metadata: JsonObject
  /**
   * The answer that brought it, without its tokens (oauth/kept-answer.ts): what a change of the allow-list is served from. It
   * goes nowhere else. Absent where it was too long, and in rows that were written before answers were kept.
   */
  readonly answer?: JsonObject | undefined
  /** It is worth nothing without the client's certificate (RFC 8705). */
  readonly certificateBound?: true | undefined
}

type Sealed = Pick<TokenRow, 'sealed' | 'scope' | 'resource'>

/** Throws as `Seal.open` does. */
export function openPayload(seal: Seal, grant: string, { sealed, scope, resource }: Sealed): TokenPayload {
  return JSON.parse(seal.open(sealed, { grant, field: 'access_token', scope, resource })) as TokenPayload
}

/** The same, or undefined for a row that does not open: who wants what was beside a token goes on without it. */
export function openedPayload(seal: Seal, grant: string, row: Sealed | undefined): TokenPayload | undefined {
  try {
    return row === undefined ? undefined : openPayload(seal, grant, row)
  } catch {
    return undefined
  }
}

/** @param fence of the writer. */
export const sealPayload = (
  seal: Seal,
  grant: string,
  fence: number,
  { scope, resource }: Pick<TokenRow, 'scope' | 'resource'>,
  payload: TokenPayload,
): Uint8Array => seal.seal(JSON.stringify(payload), { grant, fence, field: 'access_token', scope, resource })
