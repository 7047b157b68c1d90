import { randomBytes } from 'node:crypto'
import { aesSeal, type Seal } from '../../src/grants/seal.ts'
import type { SpoolEntry } from '../../src/grants/spool.ts'
import { Secret } from '../../src/secret.ts'
import type { SpoolOptions } from '../../src/stores/spool/spool.ts'

/** A seal under a key of its own; the same number is the same key. */
export const sealOf = (number: number, storeId = 'store-1'): Seal =>
  aesSeal(storeId, [{ id: `k${number}`, key: new Secret(Buffer.alloc(32, number).toString('base64url')) }])

/** An answer to attempt `id`, of `bytes` bytes. */
export const answer = (
  owner: string,
  id: string,
  { grant = 'billing', fence = 1, bytes = 40 }: { grant?: string; fence?: number; bytes?: number } = {},
): SpoolEntry => ({
  grant,
  attempt: { id, fence, parent: 'print 1', owner },
  answered: {
    token: {
      scope: '',
      resource: '',
      sealed: new Uint8Array(randomBytes(bytes)),
      type: 'Bearer',
      obtainedAt: 1,
      expiresAt: 2,
      lifetime: 3,
      lifetimeFrom: 'stated',
      grantedScope: ['ü'],
    },
    refreshToken: { sealed: Uint8Array.from([0, 255, 10]), fingerprint: 'print 2', receivedAt: 4 },
  },
})

export const spoolOptions = (folder: string): SpoolOptions => ({
  folder,
  storeId: 'store-1',
  instanceId: 'instance-1',
  seal: sealOf(1),
})
