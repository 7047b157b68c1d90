import { EvertokenError } from '../errors.ts'
import { askCanary, type ShownToken } from '../oauth/canary.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import { introspectToken } from '../oauth/introspection.ts'
import { readJwtExpiry } from '../oauth/token-response.ts'
import type { Wire } from '../oauth/transport.ts'
import type { Secret } from '../secret.ts'
import { type GrantDefinition, openedDefinition } from './definition.ts'
import { findToken, type GrantRecord, type TokenRow, tokenKey } from './grant.ts'
import type { RefreshContext } from './refresh.ts'
import type { TokenRequest } from './token.ts'
import { shownToken } from './token-proof.ts'

/**
 * How it is known whether a token is good, the surest first.
 *
 * - `introspection`: the provider was asked about it (RFC 7662).
 * - `userinfo`: it was shown at the userinfo endpoint (OpenID Connect Core section 5.3).
 * - `call`: it was shown at the client's `validationUrl`, or its `canary`.
 * - `jwt`: by the `exp` in it (RFC 7519 section 4.1.4).
 * - `expiry`: by the lifetime that was stated or assumed when it came.
 */
export type ValidationMethod = 'introspection' | 'userinfo' | 'call' | 'jwt' | 'expiry'

/** Whether a token is good, and how that is known. */
export interface Validation {
  readonly grant: string
  readonly valid: boolean
  readonly by: ValidationMethod
  /** Of the token that was looked at. */
  readonly generation: number
  /** UTC ms, as evertoken has it. */
  readonly expiresAt: number
  /** Surer ways that said nothing, each with why. */
  readonly unanswered: readonly { readonly by: ValidationMethod; readonly why: string }[]
}

/** Milliseconds for each way of asking; somebody waits for it. */
const patience = 10_000

type Context = Pick<RefreshContext, 'store' | 'transport' | 'clock' | 'serverOf'>

/** What one way says: good or not, or why it says nothing; undefined where there is no such way. */
type Said = boolean | string | undefined

/**
 * Says whether a grant's present token is good. Nothing is refreshed or changed by it.
 *
 * @throws EvertokenError `token_unavailable` when the grant has no token to look at.
 */
export async function validate(
  context: Context,
  record: GrantRecord,
  { scope, resource }: Pick<TokenRequest, 'scope' | 'resource'>,
): Promise<Validation> {
  const { store, clock } = context
  const key = tokenKey(scope, resource)
  const row = findToken(record, key)
  if (row === undefined)
    throw new EvertokenError('token_unavailable', `grant ${record.id} has no token to look at`, {
      grant: record.id,
      advice: 'The next read obtains one: evertoken token, or evertoken refresh.',
    })
  const definition = openedDefinition(store.seal, record)
  const token = shownToken(store.seal, record, row)
  const unanswered: { by: ValidationMethod; why: string }[] = []
  const result = (by: ValidationMethod, valid: boolean): Validation => ({
    grant: record.id,
    valid,
    by,
    generation: row.generation,
    expiresAt: row.expiresAt,
    unanswered,
  })
  for (const [by, ask] of await waysOf(context, definition, row, token)) {
    const said = await ask()
    if (typeof said === 'boolean') return result(by, said)
    if (said !== undefined) unanswered.push({ by, why: said })
  }
  const exp = readJwtExpiry(token.accessToken.reveal())
  return exp === undefined
    ? result('expiry', row.expiresAt > clock.now())
    : result('jwt', exp * 1000 > clock.now())
}

async function waysOf(
  context: Context,
  definition: GrantDefinition,
  row: TokenRow,
  token: ShownToken,
): Promise<readonly (readonly [ValidationMethod, () => Promise<Said>])[]> {
  const { transport, clock } = context
  const { client } = definition
  const wire: Wire = { transport, now: clock.now, deadline: patience }
  const shown = async (url: string | undefined): Promise<Said> => {
    if (url === undefined) return undefined
    const answer = await askCanary(url, token, client, wire).catch(said)
    if (answer instanceof EvertokenError) return answer.message
    return answer === 'unclear' ? 'it answered neither 2xx nor 401' : answer === 'accepted'
  }
  const server = await context.serverOf(definition).catch((error: unknown) => {
    if (error instanceof EvertokenError) return error.message
    throw error
  })
  const asked: readonly (readonly [ValidationMethod, () => Promise<Said>])[] =
    typeof server === 'string'
      ? [['introspection', async () => server]]
      : [
          ['introspection', () => introspected(server, definition, token.accessToken, wire)],
          // Elsewhere it would answer 401 to a token that is perfectly good for what it was made for.
          [
            'userinfo',
            async () => (row.grantedScope.includes('openid') ? shown(server.userinfoEndpoint) : undefined),
          ],
        ]
  return [...asked, ['call', () => shown(client.validationUrl ?? definition.facts.canary)]]
}

async function introspected(
  server: ServerMetadata,
  { client }: GrantDefinition,
  token: Secret,
  wire: Wire,
): Promise<Said> {
  const answer = await introspectToken(server, client, { token, hint: 'access_token' }, wire).catch(said)
  if (answer instanceof EvertokenError) return answer.message
  switch (answer.kind) {
    case 'introspected':
      return answer.active
    case 'unsupported':
      return undefined
    case 'unusable':
      return `status ${answer.status}${answer.error === undefined ? '' : `, ${answer.error}`}`
    case 'silence':
      return answer.detail
    default:
      return answer satisfies never
  }
}

/** What kept a question from being asked is an answer too. */
function said(error: unknown): EvertokenError {
  if (error instanceof EvertokenError) return error
  throw error
}
