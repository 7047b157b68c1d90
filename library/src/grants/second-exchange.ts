import type { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { ConsentContext } from './consent.ts'
import type { GrantDefinition } from './definition.ts'
import type { Brought } from './new-login.ts'
import { adviceFor, type FailedOutcome, failureError, judge } from './outcome.ts'

/** An answer, and when it was asked for. */
type Timed = Pick<Brought, 'response' | 'askedAt'>

/**
 * The tokens of a consent that are to be kept: those that came, or where the provider's profile declares a second exchange, what
 * it gives for the first.
 *
 * @throws EvertokenError what a token request may bring. The code is spent by then, and nothing of the first answer is kept.
 */
export async function lasting(
  { clock, transport, timing }: ConsentContext,
  id: string,
  { client }: GrantDefinition,
  server: ServerMetadata,
  first: Timed,
): Promise<Timed & Pick<Brought, 'issuer'>> {
  const { issuer } = server
  if (client.dialect?.requests?.second_exchange === undefined) return { ...first, issuer }
  const { secondExchange } = await import('../oauth/second-exchange.ts')
  const askedAt = clock.now()
  const wire = { transport, now: clock.now, deadline: timing.deadline }
  const answer = await secondExchange(server, client, first.response.accessToken, wire)
  const outcome = judge(answer, 'strict')
  if (outcome.verdict !== 'ok') throw notExchanged(id, outcome, askedAt)
  const { scope, subject, metadata } = first.response
  const { response } = outcome
  return {
    askedAt,
    issuer,
    response: {
      ...response,
      scope: response.scope ?? scope,
      subject: response.subject ?? subject,
      metadata: metadata && { ...metadata, ...response.metadata },
    },
  }
}

function notExchanged(id: string, { failure }: FailedOutcome, at: number): EvertokenError {
  const message = `the provider let the person in, but did not give the lasting token for the first one: ${failure.message}`
  const more = (adviceFor[failure.code] ?? '').replace(
    /; (evertoken tries again|the grant goes on) by itself[^;.]*\./,
    '.',
  )
  const advice = `Nothing has changed; log in again, because the code is spent. ${more}`.trim()
  return failureError(id, { ...failure, message, at }, 0, advice)
}
