import { type ErrorCode, EvertokenError } from '../errors.ts'
import type { AuthorizationRequest } from '../oauth/authorization-code.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { ProofKey } from '../oauth/proof-key.ts'
import type { PushedAuthorizationAnswer } from '../oauth/pushed-authorization.ts'
import type { GrantDefinition } from './definition.ts'
import { adviceFor, type FailedOutcome, type Failure, failureError, judge } from './outcome.ts'
import type { RefreshContext } from './refresh.ts'

/** Whether the authorization request is pushed: where the provider takes no other, or the client wants it so. */
export const isPushed = ({ client }: GrantDefinition, server: ServerMetadata): boolean =>
  server.requirePushedAuthorizationRequests === true || client.pushedAuthorization === true

/** Where to send the person once the provider holds the request, and until when (UTC ms). */
export async function pushedLink(
  { clock, transport, timing }: Pick<RefreshContext, 'clock' | 'transport' | 'timing'>,
  id: string,
  { client }: GrantDefinition,
  server: ServerMetadata,
  request: AuthorizationRequest,
  proofKey: ProofKey | undefined,
): Promise<{ readonly url: string; readonly urlExpiresAt: number }> {
  const { pushAuthorizationRequest } = await import('../oauth/pushed-authorization.ts')
  // The lifetime counts from before the request: the reference is not older than that.
  const askedAt = clock.now()
  const answer = await pushAuthorizationRequest(server, client, request, {
    transport,
    now: clock.now,
    deadline: timing.deadline,
    proofKey,
  })
  if (answer.kind !== 'pushed') throw pushError(id, answer, askedAt)
  return { url: answer.url, urlExpiresAt: askedAt + answer.expiresIn * 1000 }
}

/** What came in place of a reference. */
function pushError(
  id: string,
  answer: Exclude<PushedAuthorizationAnswer, { kind: 'pushed' }>,
  at: number,
): EvertokenError {
  const failed = (failure: Failure): EvertokenError =>
    failureError(id, { ...failure, at }, 0, advice[failure.code] ?? beginAgain)
  switch (answer.kind) {
    case 'unsupported':
      return new EvertokenError(
        'invalid_configuration',
        `grant ${id}: the authorization request is to be pushed, and the provider names no endpoint for that`,
        {
          grant: id,
          advice:
            'If it has one, name it: pushed_authorization_request_url beside the issuer, or --pushed-authorization-request-url when the grant is added. Else leave pushed_authorization out, where the provider lets you.',
        },
      )
    case 'unusable': {
      const { status, member } = answer
      const code = status >= 300 && status < 400 ? 'provider_redirect' : 'provider_answer_unusable'
      const what =
        member === undefined
          ? 'something that is no pushed authorization response'
          : `no ${member} that can be used`
      return failed({ code, message: `${endpoint} answered status ${status} with ${what}`, status })
    }
    case 'error':
      return failed((judge(answer, 'strict') as FailedOutcome).failure)
    case 'silence': {
      const { failure } = judge(answer, 'strict') as FailedOutcome
      return failed({ ...failure, message: `no answer from ${endpoint} (${answer.detail})` })
    }
    default:
      return answer satisfies never
  }
}

const endpoint = 'the pushed authorization request endpoint'
const beginAgain = "See the provider's words, and begin again."

/** Other than for refreshes: nothing of a consent is tried again by itself. */
const advice: Partial<Record<ErrorCode, string>> = {
  invalid_client:
    'Check the client id, the secret and how the client authenticates, and that the provider lets this client push requests.',
  invalid_scope: 'Ask for a scope that the provider gives this client.',
  provider_unreachable: 'Check the URL, the name service and the network, and begin again.',
  provider_timeout: 'The provider took too long; begin again.',
  provider_answer_unusable:
    'Check that pushed_authorization_request_url is that of the provider; EVERTOKEN_LOG=wire shows the answer.',
  provider_redirect: 'Put the final address of the endpoint into the configuration.',
  insecure_http: adviceFor.insecure_http ?? '',
  private_address: adviceFor.private_address ?? '',
}
