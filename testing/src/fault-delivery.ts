import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, emptyAnswer, errorAnswer, jsonAnswer, OAuthError } from './answer.ts'
import type { PracticeFault } from './fault.ts'

/** What becomes of a connection: an answer, a part of one, silence, or its end. */
export type Delivery = Answer | { readonly cut: Answer; readonly bytes: number } | 'hang' | 'close'

/** What a fault needs to know of the connection. */
export interface FaultyConnection {
  /** Aborts when the client has gone. */
  readonly gone: AbortSignal
  /** Aborts when the server stops. */
  readonly stopped: AbortSignal
  /** UTC milliseconds. */
  readonly now: () => number
}

/** Whether, when and with what answer a request is processed that meets a fault. */
export async function underFault(
  fault: PracticeFault,
  connection: FaultyConnection,
  process: () => Promise<Answer>,
): Promise<Delivery> {
  const { gone, stopped, now } = connection
  switch (fault.kind) {
    case 'hold_request':
      await sleep(fault.ms, undefined, { signal: stopped })
      return process()
    case 'hold_answer': {
      const answer = await process()
      await sleep(fault.ms, undefined, { signal: stopped })
      return answer
    }
    case 'drop_request':
      return 'close'
    case 'drop_answer':
      await process()
      return 'close'
    case 'process_when_client_gone':
      if (!gone.aborted) await clientGone(connection, fault.ms)
      await process()
      return 'close'
    case 'cut_answer':
      return { cut: await process(), bytes: fault.bytes }
    case 'fail_before':
      return failure(fault)
    case 'fail_after':
      await process()
      return failure(fault)
    case 'replace_answer': {
      await process()
      const { status = 200, contentType = 'application/json', body } = fault
      return { status, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body }
    }
    case 'rate_limit':
      return emptyAnswer(429, retryAfter(fault))
    case 'invalid_grant':
      return errorAnswer(
        new OAuthError('invalid_grant', 'the practice server refuses every grant for a while'),
      )
    case 'date_offset': {
      const answer = await process()
      const date = new Date(now() + fault.seconds * 1000).toUTCString()
      return { ...answer, headers: { ...answer.headers, date } }
    }
    default:
      return fault satisfies never
  }
}

async function clientGone({ gone, stopped }: FaultyConnection, ms: number | undefined): Promise<void> {
  const limit = ms === undefined ? [] : [AbortSignal.timeout(ms)]
  const over = AbortSignal.any([gone, ...limit])
  if (!over.aborted) await once(over, 'abort', { signal: stopped })
}

/** Faults under which a request is processed and something else than its answer is sent. */
export const replacesAnswer = ({ kind }: PracticeFault): boolean =>
  kind === 'fail_after' || kind === 'replace_answer'

function failure(fault: { status: number; retryAfter?: string | undefined }): Answer {
  const error = { error: 'server_error', error_description: 'the practice server fails on purpose' }
  return jsonAnswer(fault.status, error, retryAfter(fault))
}

function retryAfter({ retryAfter }: { retryAfter?: string | undefined }): Record<string, string> {
  return retryAfter === undefined ? {} : { 'retry-after': retryAfter }
}
