import { EvertokenError } from '../errors.ts'
import type { AuthorizationRequest } from '../oauth/authorization-code.ts'
import { callbackMembers } from '../oauth/callback-members.ts'
import { thumbprintOf } from '../oauth/proof-key.ts'
import { Secret } from '../secret.ts'
import { type GrantDefinition, openedDefinition } from './definition.ts'
import { durableWrite } from './durable-write.ts'
import type { GrantRecord } from './grant.ts'
import { asksForIdentity, checkAccount, checkIdentity } from './identity.ts'
import { loginAdvice } from './login-advice.ts'
import { type Brought, newLogin } from './new-login.ts'
import { adviceFor, failureError, judge } from './outcome.ts'
import { provingKey } from './proof-key.ts'
import { isPushed, pushedLink } from './pushed-consent.ts'
import { unknownGrant } from './reading.ts'
import type { RefreshContext } from './refresh.ts'
import { lasting } from './second-exchange.ts'
import { checkSecondaryNames, keepSecondaries } from './secondary.ts'

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
  /**
   * Lets another account than before take over the grant. Default false: where the provider says who logged in (OpenID
   * Connect), `finishConsent` refuses another one with `other_account`.
   */
  otherAccount?: boolean | undefined
}

interface Remembered {
  readonly state: string
  /** UTC ms; absent in those that were remembered by an earlier version. */
  readonly begunAt?: number | undefined
  /** Absent where the provider takes none. */
  readonly codeVerifier?: string | undefined
  readonly redirectUri: string
  readonly binding: string
  /** `openid` was asked for. */
  readonly openid?: boolean | undefined
  readonly nonce?: string | undefined
  readonly otherAccount?: boolean | undefined
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
  { redirectUri, binding = '', otherAccount }: ConsentOptions,
): Promise<ConsentRequest> {
  const { store, clock, timing } = context
  const begunAt = clock.now()
  const { record, definition } = await grantToConsentTo(context, id)
  const proofKey = provingKey(store.seal, record, definition)
  await checkSecondaryNames(context, id, definition)
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
    begunAt,
    codeVerifier: request.codeVerifier?.reveal(),
    redirectUri,
    binding,
    openid: asksForIdentity(definition),
    nonce: request.nonce,
    otherAccount,
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
 * @throws EvertokenError `state_missing`, `state_unknown`, `consent_denied`, `issuer_mismatch`, `id_token_invalid`,
 *   `other_account`, and what the exchange of the code may bring. The grant stays as it was.
 */
export async function finishConsent(
  context: ConsentContext,
  callback: URL | URLSearchParams,
  binding = '',
): Promise<Consented> {
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
  const { begunAt } = remembered
  // Before the code is spent: tokens that nobody wants would live on at the provider.
  if (endedSince(record, begunAt)) throw overtaken(id)
  const proofKey = provingKey(store.seal, record, definition)
  const server = await context.serverOf(definition)
  const { code } = ofGrant(id, () => readCallback(server, callback, remembered.state))
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
  if (outcome.verdict !== 'ok') {
    const { failure } = outcome
    const advice = failure.code === 'invalid_grant' ? beginAgain : adviceFor[failure.code]
    throw failureError(id, { ...failure, at: askedAt }, 0, advice)
  }

  const { openid, nonce, otherAccount } = remembered
  if (openid === true) checkIdentity(id, definition, server, outcome.response, nonce, clock.now())
  const kept = callbackMembers(callback, definition.client.dialect?.consent?.metadata ?? [])
  const first = { response: outcome.response, askedAt }
  const lasts = await lasting(context, id, definition, server, first)
  const brought = { definition, ...lasts, begunAt, callback: kept, otherAccount }
  return (await keepConsent(context, id, brought)) as Consented
}

/** Whoever takes a callback knows the grant by nothing but the answer: what is wrong with it names the grant too. */
function ofGrant<T>(id: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw error instanceof EvertokenError ? Object.assign(error, { grant: id }) : error
  }
}

/** What a consent left in the store. */
export interface Consented {
  readonly record: GrantRecord
  /** Of the grants of secondary tokens. */
  readonly secondary: readonly GrantRecord[]
}

/**
 * Stores what a consent brought, however long the store takes: it is the only copy. The grant and those of its secondary tokens are one
 * transaction, unless one of them has another under way.
 *
 * @param stillWanted whether the grant, as it is now, is the one that was consented to; else `undefined` comes back.
 */
export async function keepConsent(
  context: ConsentContext,
  id: string,
  brought: Brought,
  stillWanted: (record: GrantRecord) => boolean = () => true,
): Promise<Consented | undefined> {
  const { store, clock } = context
  let labels: GrantRecord['labels'] = {}
  let wanted: boolean | undefined
  const kept = durableWrite(
    () =>
      store.update<GrantRecord | undefined>(id, (record, { time }) => {
        wanted = false
        if (record === undefined) throw unknownGrant(id, store.location)
        if (!stillWanted(record)) return { result: undefined }
        if (endedSince(record, brought.begunAt ?? brought.askedAt)) throw overtaken(id)
        if (brought.otherAccount !== true) checkAccount(store.seal, record, brought.response)
        const how = record.grantType === 'password' ? 'a person has logged in' : 'a person has consented'
        const next = newLogin(context, record, brought, time.at, how)
        wanted = true
        labels = record.labels
        return { result: next, record: next }
      }),
    clock,
  )
  const login = { ...brought, id, labels: () => labels }
  const secondary = keepSecondaries(
    context,
    login,
    () => wanted,
    kept.catch(() => undefined),
  )
  // Looked at below, once the login itself is certain.
  secondary.catch(() => undefined)
  const record = await kept
  return record === undefined ? undefined : { record, secondary: await secondary }
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

/** Throws `unknown_grant`, and `invalid_request` for a grant to which nobody consents in that way. */
export async function grantToConsentTo(
  context: ConsentContext,
  id: string,
  by: 'authorization_code' | 'password' = 'authorization_code',
): Promise<DefinedGrant> {
  const grant = await definedGrant(context, id)
  const { grantType } = grant.definition
  if (grantType !== by) throw notSo(id, grant.definition, by)
  return grant
}

function notSo(
  id: string,
  { grantType, secondaryOf }: Pick<GrantDefinition, 'grantType' | 'secondaryOf'>,
  by: 'authorization_code' | 'password',
): EvertokenError {
  const what = by === 'password' ? 'nobody logs in to it with a password' : 'nobody consents to it'
  const advice = {
    password: 'It is logged in with a user name and a password: keeper.login, or evertoken login.',
    authorization_code:
      'A person consents to it at the provider: evertoken login, or POST …/connect on the broker.',
    other:
      secondaryOf !== undefined
        ? `It came with ${secondaryOf}, and comes anew with that: evertoken login ${secondaryOf}.`
        : grantType === 'refresh_token'
          ? loginAdvice({ id, grantType })
          : 'Only authorization_code and password grants need a login; the others go on by themselves.',
  }
  const kind = grantType === 'password' || grantType === 'authorization_code' ? grantType : 'other'
  return new EvertokenError('invalid_request', `grant ${id} is of type ${grantType}: ${what}`, {
    grant: id,
    advice: advice[kind],
  })
}

/** Not one that was added under the name meanwhile, nor one that has become another client's. */
export const isSameGrant = (begun: GrantRecord, now: GrantRecord): boolean =>
  now.createdAt === begun.createdAt && now.grantType === begun.grantType && now.circuit === begun.circuit

/** Whether somebody has ended the login after `at` (UTC ms): a consent that was begun before is not wanted any more. */
const endedSince = ({ status }: GrantRecord, at: number | undefined): boolean =>
  (status.state === 'revoking' || status.state === 'revoked') && at !== undefined && status.since > at

const overtaken = (id: string): EvertokenError =>
  new EvertokenError('state_unknown', `grant ${id} was revoked after this login had begun`, {
    grant: id,
    advice: 'It stays revoked. Whoever wants it back begins a new login.',
  })

/** For a consent whose grant is gone: its tokens belong to nothing here. */
export const replaced = (id: string): EvertokenError =>
  new EvertokenError('state_unknown', `grant ${id} has become another one while it waited for a consent`, {
    grant: id,
    advice: 'Begin the consent again.',
  })

const beginAgain = 'Begin the consent again, and finish it in the same browser within ten minutes.'

const unknownState = (): EvertokenError =>
  new EvertokenError(
    'state_unknown',
    'this answer belongs to no consent under way: used, expired or foreign',
    {
      advice: beginAgain,
    },
  )

async function sha256(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
