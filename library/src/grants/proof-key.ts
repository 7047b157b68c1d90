import { EvertokenError } from '../errors.ts'
import { newProofKeyText, type ProofKey, readProofKey } from '../oauth/proof-key.ts'
import type { GrantDefinition } from './definition.ts'
import type { GrantRecord, Sealed } from './grant.ts'
import type { Seal } from './seal.ts'

/** A new key for a grant whose tokens are to be bound to one (RFC 9449 section 4.2: ES256); it stands nowhere but in the record. */
export function newProofKey(seal: Seal, grant: string, fence: number): Sealed {
  return seal.seal(newProofKeyText(), { grant, field: 'proof_key', fence })
}

/** The key of a record that has one. */
export const openedProofKey = (seal: Seal, grant: string, sealed: Sealed): ProofKey =>
  readProofKey(seal.open(sealed, { grant, field: 'proof_key' }))

/**
 * The key that a grant's requests are proved with; undefined where they are not.
 *
 * @throws EvertokenError `store_damaged` when there should be one and is none: without it tokens would be bound to nothing.
 */
export function provingKey(
  seal: Seal,
  { id, proofKey }: Pick<GrantRecord, 'id' | 'proofKey'>,
  { client }: GrantDefinition,
): ProofKey | undefined {
  if (client.dpop !== true) return undefined
  if (proofKey === undefined)
    throw new EvertokenError(
      'store_damaged',
      `grant ${id}: the key that its tokens are bound to is missing`,
      {
        grant: id,
        advice: 'Restore the store from a backup, or remove the grant and add it anew.',
      },
    )
  return openedProofKey(seal, id, proofKey)
}
