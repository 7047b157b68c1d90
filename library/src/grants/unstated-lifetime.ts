import { findToken, type GrantRecord, ownToken, type TokenRow } from './grant.ts'
import { notify } from './notice.ts'

/**
 * Why the lifetime of the grant's own token had to be assumed, where its profile should have found one: the place is wrong, or the
 * provider has stopped to say it.
 */
export function whyAssumed({ facts, tokens }: Pick<GrantRecord, 'facts' | 'tokens'>): string | undefined {
  const token = findToken({ tokens }, ownToken)
  return token?.lifetimeFrom === 'assumed' && facts.statedAt !== undefined
    ? `${facts.statedAt}, and there was none that can be read`
    : undefined
}

/**
 * The record with a notice of that, once for a login. Where the provider is asked how long a new token lives (introspection), that
 * answer comes first.
 */
export function noticedUnstated(
  record: GrantRecord,
  brought: Pick<TokenRow, 'lifetime' | 'lifetimeFrom'> | undefined,
  utc: number,
): GrantRecord {
  const why = whyAssumed(record)
  if (why === undefined || brought?.lifetimeFrom !== 'assumed' || record.facts.introspection) return record
  const seconds = Math.round(brought.lifetime / 1000)
  return notify(record, 'lifetime_assumed', `a token is taken to live ${seconds} s: ${why}`, utc)
}
