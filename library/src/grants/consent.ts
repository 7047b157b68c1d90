import { EvertokenError } from '../errors.ts'
import type { AuthorizationRequest } from '../oauth/authorization-code.ts'
import { thumbprintOf } from '../oauth/proof-key.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import { Secret } from '../secret.ts'
import { sealAnswer } from './answer.ts'
import { type GrantDefinition, openedDefinition } from './definition.ts'
import { durableWrite } from './durable-write.ts'
import { dueAt, type GrantRecord, ownToken } from './grant.ts'
import { notify } from './notice.ts'
import { failureError, judge } from './outcome.ts'
import { provingKey } from './proof-key.ts'
import { isPushed, pushedLink } from './pushed-consent.ts'
import { unknownGrant } from './reading.ts'
import type { RefreshContext } from './refresh.ts'

/** What a consent works with; it spends no refresh token. */
export type ConsentContext = Pick<RefreshContext, 'store' | 'transport' | 'clock' | 'timing' | 'serverOf'>

/** A consent under way: where to send the person. */
export interface ConsentRequest {
  /** The provider's page, with everything it needs in the query, or a reference to what was pushed (RFC 9126). */
  readonly url: string
  /** UTC ms by which a person must have opened the URL; absent where the provider sets no such time. It opens once then. */
  readonly urlExpiresAt?: number | undefined
  /** Comes back with the answer; a URL with a reference does not show it. */
  readonly state: string
  /** UTC ms after which the answer is no longer taken. */
  readonly expiresAt: number
}

export interface ConsentOptions {
  /** Where the provider sends the person back to; exactly as registered there (RFC 9700 section 2.1). */
  redirectUri: string
  /**
   * Ties the answer to the browser that began: whatever finishes must know the same text (a cookie's value). Where
   * no browser of a stranger can reach the redirect URI, as with a loopback listener of one process, leave it out.
   */
  binding?: string | undefined
}

interface Remembered {
  readonly state: string
  /** Absent where the provider takes none. */
  readonly codeVerifier?: string | undefined
  readonly redirectUri: string
  readonly binding: string
}

/**
 * Begins or renews a person's consent to a grant (RFC 6749 section 4.1 with PKCE). Where the provider or the client wants it,
 * the request is pushed (RFC 9126) before anything is remembered.
 *
 * @throws EvertokenError what the push may bring: `invalid_configuration` where there is no endpoint for it,
 *   `invalid_client`, `invalid_scope`, `provider_error` with the provider's words, and what came in place of an answer.
 */
export async function beginConsent(
  context: ConsentContext,
  id: string,
  { redirectUri, binding = '' }: ConsentOptions,
): Promise<ConsentRequest> {
  const { store, clock, timing } = context
  const { record, definition } = await grantToConsentTo(context, id)
  const proofKey = provingKey(store.seal, record, definition)
  const server = await context.serverOf(definition)
  const { authorizationRequest } = await import('../oauth/authorization-code.ts')
  const request: AuthorizationRequest = await authorizationRequest(server, definition.client, {
    redirectUri,
    scope: definition.scope,
    resource: definition.resource,
    parameters: definition.authorizationParameters ?? {},
    proofKeyThumbprint: proofKey && thumbprintOf(proofKey),
  })
  const link = isPushed(definition, server)
    ? await pushedLink(context, id, definition, server, request, proofKey)
    : { url: request.url }
  const expiresAt = clock.now() + timing.consent
  const remembered: Remembered = {
    state: request.state,
    codeVerifier: request.codeVerifier?.reveal(),
    redirectUri,
    binding,
  }
  await store.putConsent({
    stateHash: await sha256(request.state),
    grant: id,
    sealed: store.seal.seal(JSON.stringify(remembered), { grant: id, field: 'consent', fence: 0 }),
    expiresAt,
  })
  return { ...link, state: request.state, expiresAt }
}

/**
 * Takes the provider's answer, exchanges the code and makes the grant active. A state is good once, for ten minutes,
 * and only together with the binding it was begun with.
 *
 * @throws EvertokenError `state_missing`, `state_unknown`, `consent_denied`, `issuer_mismatch`, and what the exchange
 *   of the code may bring. The grant stays as it was.
 */
export async function finishConsent(
  context: ConsentContext,
  callback: URL | URLSearchParams,
  binding = '',
): Promise<GrantRecord> {
  const { store, clock, timing, transport } = context
  const { authorizationCodeGrant, callbackState, readCallback } = await import(
    '../oauth/authorization-code.ts'
  )
  const state = callbackState(callback)
  const consent = await store.takeConsent(await sha256(state))
  if (consent === undefined || consent.expiresAt <= clock.now()) throw unknownState()
  const id = consent.grant
  const remembered = JSON.parse(
    store.seal.open(consent.sealed, { grant: id, field: 'consent' }),
  ) as Remembered
  if ((await sha256(remembered.binding)) !== (await sha256(binding))) throw unknownState()

  const { record, definition } = await definedGrant(context, id)
  const proofKey = provingKey(store.seal, record, definition)
  const server = await context.serverOf(definition)
  const { code } = readCallback(server, callback, remembered.state)
  const askedAt = clock.now()
  const answer = await authorizationCodeGrant(
    server,
    definition.client,
    {
      code,
      redirectUri: remembered.redirectUri,
      codeVerifier: remembered.codeVerifier === undefined ? undefined : new Secret(remembered.codeVerifier),
      resource: definition.resource,
      parameters: definition.parameters,
    },
    { transport, now: clock.now, deadline: timing.deadline, proofKey },
  )
  const outcome = judge(answer, 'strict')
  if (outcome.verdict !== 'ok') throw failureError(id, { ...outcome.failure, at: askedAt })

  return (await keepConsent(context, id, definition, outcome.response, askedAt)) as GrantRecord
}

/**
 * Stores what a consent brought, however long the store takes: it is the only copy.
 *
 * @param askedAt UTC ms before the request for the tokens.
 * @param stillWanted whether the grant, as it is now, is the one that was consented to; else `undefined` comes back.
 */
export function keepConsent(
  context: ConsentContext,
  id: string,
  definition: GrantDefinition,
  response: TokenResponse,
  askedAt: number,
  stillWanted: (record: GrantRecord) => boolean = () => true,
): Promise<GrantRecord | undefined> {
  const { store, clock } = context
  return durableWrite(
    () =>
      store.update<GrantRecord | undefined>(id, (record, { time }) => {
        if (record === undefined) throw unknownGrant(id, store.location)
        if (!stillWanted(record)) return { result: undefined }
        const next = consented(context, record, definition, response, askedAt, time.at)
        return { result: next, record: next }
      }),
    clock,
  )
}

/** A new consent is a new login: what the old one left behind is neither used nor believed any more. */
function consented(
  { store, clock, timing }: ConsentContext,
  record: GrantRecord,
  definition: GrantDefinition,
  response: TokenResponse,
  askedAt: number,
  storeNow: number,
): GrantRecord {
  const fence = record.fence + 1
  const { token, refreshToken, subject, refreshTokenExpiresAt } = sealAnswer(
    {
      seal: store.seal,
      record,
      attempt: { fence },
      definition,
      held: undefined,
      key: ownToken,
      askedAt,
      livesFrom: askedAt,
      assumedLifetime: timing.assumedLifetime,
    },
    response,
  )
  const generation = 1 + record.tokens.reduce((highest, old) => Math.max(highest, old.generation), 0)
  const renewed: GrantRecord = {
    ...record,
    status: { state: 'active' },
    epoch: record.epoch + 1,
    fence,
    lease: undefined,
    refreshToken,
    previousRefreshToken: undefined,
    candidates: [],
    subject,
    loginAt: askedAt,
    refreshTokenExpiresAt,
    tokens: [{ ...token, generation, fence }],
    attempts: [],
    updatedAt: clock.now(),
  }
  const schedule = { backoffUntil: 0, failures: 0, lastSuccessAt: clock.now() }
  const connected = notify(renewed, 'connected', 'a person has consented', clock.now())
  return { ...connected, schedule: { ...schedule, dueAt: dueAt(renewed, clock.now(), storeNow) } }
}

interface DefinedGrant {
  readonly record: GrantRecord
  readonly definition: GrantDefinition
}

async function definedGrant({ store }: ConsentContext, id: string): Promise<DefinedGrant> {
  const record = await store.read(id)
  if (record === undefined) throw unknownGrant(id, store.location)
  const definition = openedDefinition(store.seal, record)
  return { record, definition }
}

/** Throws `unknown_grant`, and `invalid_request` for a grant that needs nobody. */
export async function grantToConsentTo(context: ConsentContext, id: string): Promise<DefinedGrant> {
  const grant = await definedGrant(context, id)
  const { grantType } = grant.definition
  if (grantType !== 'authorization_code')
    throw new EvertokenError(
      'invalid_request',
      `grant ${id} is of type ${grantType}: nobody consents to it`,
      {
        grant: id,
        advice: 'Only authorization_code grants need a login; the others go on by themselves.',
      },
    )
  return grant
}

const unknownState = (): EvertokenError =>
  new EvertokenError(
    'state_unknown',
    'this answer belongs to no consent under way: used, expired or foreign',
    {
      advice: 'Begin the consent again, and finish it in the same browser within ten minutes.',
    },
  )

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
