import type { Clock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import type { Why } from './claim.ts'
import { findToken, type GrantRecord, tokenKey } from './grant.ts'
import type { Looks } from './looks.ts'
import { refreshTooSoon, tooSoon } from './minimum-age.ts'
import { adviceOn, failureError } from './outcome.ts'
import { readingOf, reauthorizationRequired } from './reading.ts'
import type { Refreshed } from './refresh.ts'
import type { Timing } from './timing.ts'
import type { AccessToken, TokenRequest } from './token.ts'

/** What a demand for a newer token needs of a keeper. */
export interface DemandContext {
  readonly clock: Clock
  readonly timing: Timing
  readonly looks: Looks
  /** Throws `unknown_grant`. */
  readonly record: (id: string) => Promise<GrantRecord>
  readonly refresh: (id: string, why: Why) => Promise<Refreshed>
  readonly forget: (id: string) => void
  readonly read: (id: string, request: TokenRequest) => Promise<AccessToken>
}

/** A refusal reported by whoever used the token. */
export interface RejectionReport {
  /** Of the token that was refused. */
  generation: number
  scope?: TokenRequest['scope']
  resource?: string | undefined
  signal?: AbortSignal | undefined
}

/** The token that came of a refresh somebody insisted on; the error, when none did. */
export async function newerToken(
  context: DemandContext,
  id: string,
  request: Pick<TokenRequest, 'scope' | 'resource' | 'signal'>,
): Promise<AccessToken> {
  const { clock, timing, looks } = context
  const key = tokenKey(request.scope, request.resource)
  const generation = findToken(await context.record(id), key)?.generation ?? 0
  const began = clock.boot()
  const until = began + timing.patience
  for (;;) {
    request.signal?.throwIfAborted()
    const result = await context.refresh(id, { kind: 'manual', key, generation })
    switch (result.kind) {
      case 'refreshed':
      case 'fresh':
        return context.read(id, request)
      case 'failed':
        throw failureError(
          id,
          { ...result.outcome.failure, at: clock.now() },
          0,
          adviceOn(result.record, result.outcome.failure.code),
        )
      case 'revocation':
      case 'dead': {
        const record = await context.record(id)
        const reading = readingOf(record, key, 0, clock.now())
        if (reading.kind === 'refuse') throw reading.error
        const reason = ('reason' in record.status && record.status.reason) || 'it does not refresh'
        throw reauthorizationRequired(record, reason)
      }
      case 'backoff':
      case 'held': {
        const now = findToken(await context.record(id), key)?.generation ?? 0
        if (now > generation) return context.read(id, request)
        if (result.kind === 'backoff' && result.notBefore !== undefined)
          throw refreshTooSoon(id, result.notBefore)
        if (result.kind === 'backoff' || clock.boot() >= until)
          throw new EvertokenError(
            'token_unavailable',
            `grant ${id}: an earlier refresh is still without an answer, and sending it again now could end the login`,
            { grant: id, advice: 'Wait: it is settled by itself before the present token expires.' },
          )
        await looks.next(began, request.signal)
        break
      }
      default:
        return result satisfies never
    }
  }
}

/** A token other than the one that an API refused, or that one again when there is none to be had. */
export async function replacedToken(
  context: DemandContext,
  id: string,
  { generation, scope, resource, signal }: RejectionReport,
): Promise<AccessToken> {
  const { clock, timing, looks } = context
  const key = tokenKey(scope, resource)
  const request: TokenRequest = { scope, resource, signal }
  const began = clock.boot()
  const until = began + timing.patience
  for (;;) {
    signal?.throwIfAborted()
    context.forget(id)
    const present = findToken(await context.record(id), key)
    if (present?.generation !== generation) return context.read(id, request)
    const result = await context.refresh(id, { kind: 'rejected', key, generation })
    // Held: another process took the same report; its token is worth waiting for.
    if (result.kind !== 'held' || clock.boot() >= until) {
      const token = await context.read(id, request)
      return token.generation === generation ? token.because(reasonOf(result)) : token
    }
    await looks.next(began, signal)
  }
}

/** Why a report brought no newer token, where that is known. */
function reasonOf(result: Refreshed): string | undefined {
  if (result.kind === 'failed') return result.outcome.failure.message
  return result.kind === 'backoff' && result.notBefore !== undefined ? tooSoon(result.notBefore) : undefined
}
