import type { ShownToken } from '../oauth/canary.ts'
import { dpopProof } from '../oauth/dpop-proof.ts'
import type { ProofKey } from '../oauth/proof-key.ts'
import { ageOfNonce, keepNonce, nonceFor } from '../oauth/proof-nonces.ts'
import { openedToken } from './answer.ts'
import type { GrantRecord, TokenRow } from './grant.ts'
import { openedProofKey } from './proof-key.ts'
import type { Seal } from './seal.ts'
import type { TokenPresentation, TokenProof } from './token.ts'
import type { TokenPayload } from './token-payload.ts'

/** What is bound to a key says so by its type (RFC 9449 section 5); some write it in small letters. */
export const isDpopType = (type: string): boolean => type.toLowerCase() === 'dpop'

/** How an API wants a token that may be bound to a key; undefined for one that is not. */
export function presentationOf(
  seal: Seal,
  { id, proofKey }: Pick<GrantRecord, 'id' | 'proofKey'>,
  { type }: Pick<TokenRow, 'type'>,
  { value, certificateBound }: TokenPayload,
  now: () => number,
): TokenPresentation | undefined {
  if (proofKey === undefined || !isDpopType(type))
    return certificateBound === undefined ? undefined : Object.freeze({ certificate: true })
  const open = (): ProofKey => openedProofKey(seal, id, proofKey)
  return Object.freeze({ scheme: 'DPoP', proof: new BoundTokenProof(open, value, now) })
}

/** The access token of a row, to be shown where it works: with what it is bound to, where it is. */
export function shownToken(
  seal: Seal,
  { id, proofKey }: Pick<GrantRecord, 'id' | 'proofKey'>,
  row: TokenRow,
): ShownToken {
  const token = { accessToken: openedToken(seal, id, row), tokenType: row.type }
  return proofKey === undefined || !isDpopType(row.type)
    ? token
    : { ...token, proofKey: openedProofKey(seal, id, proofKey) }
}

/**
 * Milliseconds for which a nonce counts as another than the one before. Whoever sends many requests at once to an API that
 * has not been asked yet gets as many refusals, all with the same nonce: each of them is worth another try.
 */
const newFor = 10_000

/** Proofs of one access token (RFC 9449 section 7). The key is opened when the first is asked for. */
class BoundTokenProof implements TokenProof {
  readonly #open: () => ProofKey
  readonly #accessToken: string
  readonly #now: () => number
  #key: ProofKey | undefined

  constructor(open: () => ProofKey, accessToken: string, now: () => number) {
    this.#open = open
    this.#accessToken = accessToken
    this.#now = now
  }

  async of({ method, url }: { readonly method: string; readonly url: string }): Promise<string> {
    this.#key ??= this.#open()
    const request = { method, url, nonce: nonceFor(url), accessToken: this.#accessToken }
    return dpopProof(this.#key, request, { now: this.#now })
  }

  heard(url: string, nonce: string): boolean {
    const now = this.#now()
    if (keepNonce(url, nonce, nonceFor(url), now)) return true
    const age = ageOfNonce(url, nonce, now)
    return age !== undefined && age >= 0 && age < newFor
  }
}
