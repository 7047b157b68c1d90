import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import type { EvertokenError } from '../../src/errors.ts'
import { aesSeal, type Seal } from '../../src/grants/seal.ts'
import type { SpoolEntry } from '../../src/grants/spool.ts'
import { Secret } from '../../src/secret.ts'
import { type HostSpool, openSpool, type SpoolOptions } from '../../src/stores/spool/spool.ts'

/** A seal under a key of its own; the same number is the same key. */
export const sealOf = (number: number, storeId = 'store-1'): Seal =>
  aesSeal(storeId, [{ id: `k${number}`, key: new Secret(Buffer.alloc(32, number).toString('base64url')) }])

/** Opens the spool of a folder as one process more; closed when the test is over. */
export function openedSpool(folder: string, change: Partial<SpoolOptions> = {}) {
  const told: EvertokenError[] = []
  const spool = openSpool({
    folder,
    storeId: 'store-1',
    instanceId: 'instance-1',
    seal: sealOf(1),
    onDamaged: (error) => told.push(error),
    ...change,
  })
  onTestFinished(() => spool.close())
  return Object.assign(spool, { told })
}

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

/** A process that had these answers when it died; gives back its id. */
export async function leftBehind(
  folder: string,
  ids: readonly string[],
  change: Partial<SpoolOptions> = {},
): Promise<string> {
  const spool = openedSpool(folder, change)
  const { owner } = spool
  for (const id of ids) await spool.append(answer(owner, id))
  // As far as others see it: the lock is free and the file is there.
  await spool.close()
  return owner
}

/** Ids of the attempts whose answers were left. */
export const left = (spool: HostSpool): string[] =>
  spool.remains().flatMap(({ entries }) => entries.map(({ attempt }) => attempt.id))

export const filesIn = (folder: string, end: string): string[] =>
  readdirSync(folder).filter((name) => name.endsWith(end))
