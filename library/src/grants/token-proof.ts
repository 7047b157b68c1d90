import type { Prove } from '../oauth/dpop-proof.ts'
import { keepNonce, nonceFor } from '../oauth/proof-nonces.ts'
import type { GrantRecord, TokenRow } from './grant.ts'
import { openedProofKey } from './proof-key.ts'
import type { Seal } from './seal.ts'
import type { TokenPresentation, TokenProof } from './token.ts'

/** What is bound to a key says so by its type (RFC 9449 section 5); some write it in small letters. */
export const isDpopType = (type: string): boolean => type.toLowerCase() === 'dpop'

/** How an API wants a token that may be bound to the key of its grant; undefined for one that is not. */
export function presentationOf(
  seal: Seal,
  { id, proofKey }: Pick<GrantRecord, 'id' | 'proofKey'>,
  { type }: Pick<TokenRow, 'type'>,
  accessToken: string,
  now: () => number,
): TokenPresentation | undefined {
  if (proofKey === undefined || !isDpopType(type)) return undefined
  const open = async (): Promise<Prove> => {
    const { prover } = await import('../oauth/dpop-proof.ts')
    return prover(openedProofKey(seal, id, proofKey), { now })
  }
  return Object.freeze({ scheme: 'DPoP', proof: new BoundTokenProof(open, accessToken, now) })
}

/**
 * Milliseconds for which a nonce counts as another than the one before. Whoever sends many requests at once to an API that
 * has not been asked yet gets as many refusals, all with the same nonce: each of them is worth another try.
 */
const newFor = 10_000

/** Proofs of one access token (RFC 9449 section 7). The key is opened when the first is asked for. */
class BoundTokenProof implements TokenProof {
  readonly #open: () => Promise<Prove>
  readonly #accessToken: string
  readonly #now: () => number
  /** When each origin gave the nonce that it gave last: UTC ms, by origin. */
  readonly #heardAt = new Map<string, number>()
  #prove: Promise<Prove> | undefined

  constructor(open: () => Promise<Prove>, accessToken: string, now: () => number) {
    this.#open = open
    this.#accessToken = accessToken
    this.#now = now
  }

  async of({ method, url }: { readonly method: string; readonly url: string }): Promise<string> {
    this.#prove ??= this.#open()
    const prove = await this.#prove
    return prove({ method, url, nonce: nonceFor(url), accessToken: this.#accessToken })
  }

  heard(url: string, nonce: string): boolean {
    const { origin } = new URL(url)
    const isNew = keepNonce(url, nonce, nonceFor(url))
    if (isNew) this.#heardAt.set(origin, this.#now())
    const age = this.#now() - (this.#heardAt.get(origin) ?? Number.NEGATIVE_INFINITY)
    return isNew || (nonce === nonceFor(url) && age >= 0 && age < newFor)
  }
}
