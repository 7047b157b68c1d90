import { EvertokenError } from '../errors.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { DeviceAuthorization, DeviceAuthorizationAnswer } from '../oauth/device-authorization.ts'
import {
  type ConsentContext,
  type Consented,
  grantToConsentTo,
  isSameGrant,
  keepConsent,
  replaced,
} from './consent.ts'
import type { GrantDefinition } from './definition.ts'
import { afterPoll, deviceError, nobodyConsented } from './device-poll.ts'
import type { GrantRecord } from './grant.ts'
import { asksForIdentity, checkIdentity } from './identity.ts'
import { type FailedOutcome, judge } from './outcome.ts'
import { provingKey } from './proof-key.ts'
import { lasting } from './second-exchange.ts'
import { checkSecondaryNames } from './secondary.ts'
import type { GrantSummary } from './summary.ts'

/** A consent under way on another device: what to show the person. All of it is printable ASCII. */
export interface DeviceConsent {
  /** What the person types at `verificationUri`; at most 64 characters. */
  readonly userCode: string
  readonly verificationUri: string
  /** The same page with the code in it, for a link. Not every provider has one. */
  readonly verificationUriComplete?: string | undefined
  /** UTC ms after which the code is no longer good. */
  readonly expiresAt: number
  /** Milliseconds between two questions to the provider, as it wants them at first. */
  readonly interval: number
  /**
   * Resolves once the tokens are stored and the grant is active. Rejects with `consent_denied`, with `grant_pending` when
   * nobody consented in time, with `state_unknown` when the grant is another by then, and with what a token request may
   * bring; the grant stays as it was.
   */
  readonly finished: Promise<GrantSummary>
}

export interface DeviceConsentOptions {
  /** Ends the waiting with its reason. A question under way is awaited first: its answer may be the only copy of the login. */
  signal?: AbortSignal | undefined
  /** Lets another account than before take over the grant, as `beginConsent` has it. Default false. */
  otherAccount?: boolean | undefined
}

/** A {@link DeviceConsent} on its way to what it leaves in the store. */
type BegunConsent = Omit<DeviceConsent, 'finished'> & { readonly consented: Promise<Consented> }

/** The grant as it was when its consent began. */
interface Begun {
  readonly record: GrantRecord
  readonly definition: GrantDefinition
  readonly server: ServerMetadata
  /** UTC ms. */
  readonly begunAt: number
  readonly authorization: DeviceAuthorization
  /** Boot time, ms. */
  readonly until: number
  readonly otherAccount: boolean
}

/**
 * Begins a consent to a grant by RFC 8628 and polls until it is over. The device code is in this process's memory and
 * nowhere else: with the process ends the showing of the user code, and another consent costs no more than this one.
 */
export async function beginDeviceConsent(
  context: ConsentContext,
  id: string,
  signal: AbortSignal,
  otherAccount = false,
): Promise<BegunConsent> {
  const { clock, transport, timing } = context
  const { record, definition } = await grantToConsentTo(context, id)
  await checkSecondaryNames(context, id, definition)
  const server = await context.serverOf(definition)
  const { requestDeviceAuthorization } = await import('../oauth/device-authorization.ts')
  // The lifetime counts from before the request: the code is not older than that.
  const [askedAt, askedAtBoot] = [clock.now(), clock.boot()]
  const answer = await requestDeviceAuthorization(
    server,
    definition.client,
    {
      scope: definition.scope,
      resource: definition.resource,
      parameters: definition.authorizationParameters,
    },
    { transport, now: clock.now, deadline: timing.deadline },
  )
  if (answer.kind !== 'begun') throw beginError(id, answer, askedAt)
  const { authorization } = answer
  const life = authorization.expiresIn * 1000
  const until = askedAtBoot + life
  const begun: Begun = { record, definition, server, authorization, begunAt: askedAt, until, otherAccount }
  const { userCode, verificationUri, verificationUriComplete } = authorization
  return {
    userCode,
    verificationUri,
    ...(verificationUriComplete === undefined ? {} : { verificationUriComplete }),
    expiresAt: askedAt + life,
    interval: authorization.interval * 1000,
    consented: poll(context, begun, signal),
  }
}

async function poll(context: ConsentContext, begun: Begun, signal: AbortSignal): Promise<Consented> {
  const { clock, transport, timing } = context
  const { record, definition, server, authorization, begunAt, until, otherAccount } = begun
  const proofKey = provingKey(context.store.seal, record, definition)
  const { id } = record
  const { deviceCodeGrant } = await import('../oauth/device-authorization.ts')
  const { deviceCode } = authorization
  const { resource, parameters } = definition
  let interval = authorization.interval * 1000
  for (let wait = interval; ; ) {
    await clock.sleep(Math.min(wait, until - clock.boot()), { signal })
    signal.throwIfAborted()
    if (clock.boot() >= until) throw nobodyConsented(id)
    const askedAt = clock.now()
    const answer = await deviceCodeGrant(
      server,
      definition.client,
      { deviceCode, resource, parameters },
      { transport, now: clock.now, deadline: timing.deadline, proofKey },
    )
    const result = afterPoll(id, answer, interval, askedAt)
    switch (result.kind) {
      case 'tokens': {
        const same = (now: GrantRecord): boolean => isSameGrant(record, now)
        const { response } = result
        if (asksForIdentity(definition))
          checkIdentity(id, definition, server, response, undefined, clock.now())
        const lasts = await lasting(context, id, definition, server, { response, askedAt })
        const brought = { definition, ...lasts, begunAt, otherAccount }
        const kept = await keepConsent(context, id, brought, same)
        if (kept === undefined) throw replaced(id)
        return kept
      }
      case 'again':
        interval = result.interval
        wait = result.wait
        break
      case 'over':
        throw result.error
      default:
        result satisfies never
    }
  }
}

/** What came in place of a code to show. */
function beginError(
  id: string,
  answer: Exclude<DeviceAuthorizationAnswer, { kind: 'begun' }>,
  at: number,
): EvertokenError {
  switch (answer.kind) {
    case 'unsupported':
      return new EvertokenError(
        'invalid_configuration',
        `grant ${id}: the provider names no device authorization endpoint`,
        {
          grant: id,
          advice:
            'If it has one, name it: device_authorization_url beside the issuer, or --device-authorization-url when the grant is added. Else evertoken login, with --paste where there is no browser.',
        },
      )
    case 'unusable': {
      const { status, member } = answer
      const code = status >= 300 && status < 400 ? 'provider_redirect' : 'provider_answer_unusable'
      const what =
        member === undefined ? 'something that is no device authorization' : `no ${member} that can be used`
      return deviceError(
        id,
        { code, message: `${endpoint} answered status ${status} with ${what}`, status },
        at,
      )
    }
    case 'error':
      return deviceError(id, (judge(answer, 'strict') as FailedOutcome).failure, at)
    case 'silence': {
      const { failure } = judge(answer, 'strict') as FailedOutcome
      return deviceError(id, { ...failure, message: `no answer from ${endpoint} (${answer.detail})` }, at)
    }
    default:
      return answer satisfies never
  }
}

const endpoint = 'the device authorization endpoint'
