import { EvertokenError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import {
  type ConsentContext,
  type Consented,
  grantToConsentTo,
  isSameGrant,
  keepConsent,
  replaced,
} from './consent.ts'
import type { GrantRecord } from './grant.ts'
import { checkedSecret } from './option-check.ts'
import { adviceFor, type FailedOutcome, failureError, judge } from './outcome.ts'
import { lasting } from './second-exchange.ts'

/** What a person logs in with, RFC 6749 section 4.3.2. Used for one request and then forgotten. */
export interface LoginCredentials {
  /** At most 1024 characters, as the password. */
  username: string
  password: string | Secret
}

/** Characters; longer than any that a provider takes. */
const longest = 1024

/**
 * Logs a person in: sends the user name and the password once and keeps what comes of it, tokens and nothing else. Not sent
 * again whatever happens: a provider may count failures and lock the account.
 *
 * @throws EvertokenError `unknown_grant`, `empty_secret`, `invalid_request` for another kind of grant, `state_unknown` when the
 *   grant is another by the time of the answer, and what a token request may bring. The grant stays as it was.
 */
export async function logIn(
  context: ConsentContext,
  id: string,
  credentials: LoginCredentials,
): Promise<Consented> {
  const { clock, transport, timing } = context
  const { username, password } = checked(id, credentials)
  const { record, definition } = await grantToConsentTo(context, id, 'password')
  const { client, scope, resource, parameters } = definition
  const server = await context.serverOf(definition)
  const { passwordGrant } = await import('../oauth/password.ts')
  const askedAt = clock.now()
  const answer = await passwordGrant(
    server,
    client,
    { username, password, scope, resource, parameters },
    { transport, now: clock.now, deadline: timing.deadline },
  )
  const outcome = judge(answer, 'strict')
  if (outcome.verdict !== 'ok') throw notLoggedIn(id, outcome, askedAt)
  const same = (now: GrantRecord): boolean => isSameGrant(record, now)
  const lasts = await lasting(context, id, definition, server, { response: outcome.response, askedAt })
  const kept = await keepConsent(context, id, { definition, ...lasts }, same)
  if (kept === undefined) throw replaced(id)
  return kept
}

function checked(
  id: string,
  { username, password }: LoginCredentials,
): { readonly username: string; readonly password: Secret } {
  if (typeof username !== 'string') throw new TypeError('username must be a string')
  const held = checkedSecret(password, 'the password')
  const long = [username, held.reveal()].some((text) => text.length > longest)
  if (username === '' || long)
    throw new EvertokenError(
      'invalid_request',
      long ? `a user name or password of more than ${longest} characters is none` : 'the user name is empty',
      { grant: id, advice: 'Give what the person types at the login page of the provider.' },
    )
  return { username, password: held }
}

/** Nobody tries again but the person, who is the one to be told. */
function notLoggedIn(id: string, { verdict, failure }: FailedOutcome, at: number): EvertokenError {
  const { status = 0 } = failure
  const refused = verdict !== 'ambiguous' && status >= 400 && status < 500 && status !== 429
  const advice = refused
    ? 'Check the user name and the password, and what the client proves itself with. Nothing has changed; log in again.'
    : `Log in again later. ${(adviceFor[failure.code] ?? '').replace(/; evertoken tries again by itself\./, '.')}`.trim()
  return failureError(id, { ...failure, at }, 0, advice)
}
