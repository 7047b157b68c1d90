import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { Secret } from '../secret.ts'
import type { GrantDefinition } from './definition.ts'
import { findToken, type GrantRecord, ownToken } from './grant.ts'
import type { RefreshContext } from './refresh.ts'
import { shownToken } from './token-proof.ts'

/** What a probe says of a refresh token. */
export type Liveness = 'alive' | 'dead' | 'unknown'

/**
 * Asks, without spending it, whether a refresh token still is the live one: by introspection where that has no side
 * effect, else by the old access token where a refresh would have killed that. `deadline` in milliseconds.
 */
export async function probe(
  { store, transport, clock }: Pick<RefreshContext, 'store' | 'transport' | 'clock'>,
  record: GrantRecord,
  server: ServerMetadata,
  { client }: GrantDefinition,
  held: Secret | undefined,
  deadline: number,
): Promise<Liveness> {
  const wire = { transport, now: clock.now, deadline }
  const { facts } = record
  if (facts.introspection && held !== undefined) {
    const { introspectToken } = await import('../oauth/introspection.ts')
    const question = { token: held, hint: 'refresh_token' } as const
    // Without what the client proves itself with nothing is known either, as without an answer.
    const answer = await introspectToken(server, client, question, wire).catch((error: unknown) => {
      if (error instanceof EvertokenError) return undefined
      throw error
    })
    if (answer?.kind === 'introspected') return answer.active ? 'alive' : 'dead'
  }
  const own = findToken(record, ownToken)
  if (!facts.oldTokenDies || facts.canary === undefined || own === undefined || own.expiresAt <= clock.now())
    return 'unknown'
  const { askCanary } = await import('../oauth/canary.ts')
  switch (await askCanary(facts.canary, shownToken(store.seal, record, own), client, wire).catch(unclear)) {
    case 'accepted':
      return 'alive'
    case 'rejected':
      return 'dead'
    case 'unclear':
      return 'unknown'
  }
}

/** Without the certificate that the API wants nothing is known. */
function unclear(error: unknown): 'unclear' {
  if (error instanceof EvertokenError) return 'unclear'
  throw error
}
