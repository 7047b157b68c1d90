import { DatabaseSync } from 'node:sqlite'
import type { TokenKey } from '../../grants/grant.ts'
import type { LifetimeFacts } from '../../grants/lifetime-facts.ts'
import { freshness } from '../../grants/schedule.ts'
import { aesSeal } from '../../grants/seal.ts'
import type { TokenFacts } from '../../grants/token.ts'
import type { TokenPayload } from '../../grants/token-payload.ts'
import { readKeyFile } from './key-file.ts'

/** A token that is in the store and good. Times are UTC ms. */
export type HeldToken = Omit<TokenFacts, 'stale'> & { readonly value: string }

export interface HeldTokenRequest {
  /** Default: the grant's own token. */
  readonly key?: TokenKey | undefined
  /** Seconds the token must still live. */
  readonly minTtl?: number | undefined
}

/**
 * The token of an active grant that is not yet to be refreshed, read without opening the store for work: for a
 * process that lives only to print it. Undefined whenever there is more to it, a mistake included: then a keeper
 * answers, or says what is wrong. Never sends, never writes.
 */
export function heldToken(
  file: string,
  keys: readonly { id: string; file: string }[],
  id: string,
  { key = { scope: '', resource: '' }, minTtl = 0 }: HeldTokenRequest,
  now: number,
): HeldToken | undefined {
  try {
    const row = readRow(file, id, key)
    // One that is bound to a key is worth nothing without a proof.
    if (row === undefined || /^dpop$/i.test(text(row.type))) return undefined
    if ((JSON.parse(text(row.status)) as { state: string }).state !== 'active') return undefined
    const token = { expiresAt: Number(row.expires_at), lifetime: Number(row.lifetime) }
    const { api, oldTokenDies } = JSON.parse(text(row.facts)) as LifetimeFacts
    // It is being replaced, and dies the moment it is: a keeper waits for the new one.
    if (oldTokenDies && row.lease_until !== null) return undefined
    const refreshBefore = row.refresh_before === null ? undefined : Number(row.refresh_before)
    const left = token.expiresAt - now
    if (freshness(token, refreshBefore, now, oldTokenDies) !== 'fresh' || left < minTtl * 1000)
      return undefined
    const masters = keys.map((place) => ({ id: place.id, key: readKeyFile(place.file) }))
    const opened = aesSeal(text(row.store_id), masters).open(row.sealed as Uint8Array, {
      grant: id,
      field: 'access_token',
      ...key,
    })
    const { value, metadata, certificateBound } = JSON.parse(opened) as TokenPayload
    if (certificateBound === true) return undefined
    return {
      value,
      metadata,
      type: text(row.type),
      expiresAt: token.expiresAt,
      scope: JSON.parse(text(row.granted_scope)) as string[],
      generation: Number(row.generation),
      ...(api === undefined ? {} : { presentation: api }),
    }
  } catch {
    return undefined
  }
}

const text = (value: unknown): string => String(value)

function readRow(file: string, id: string, { scope, resource }: TokenKey) {
  const database = new DatabaseSync(file, { readOnly: true })
  try {
    return database
      .prepare(
        `SELECT status, facts, refresh_before, sealed, type, expires_at, lifetime, granted_scope, generation,
           (SELECT lease_until FROM schedule WHERE grant_id = id) AS lease_until,
           (SELECT value FROM store WHERE name = 'store_id') AS store_id
         FROM grants JOIN tokens ON grant_id = id WHERE id = ? AND scope = ? AND resource = ?`,
      )
      .get(id, scope, resource)
  } finally {
    database.close()
  }
}
