import { rulesOf } from '../oauth/request-dialect.ts'
import type { RevocationAnswer } from '../oauth/revocation.ts'
import { Secret } from '../secret.ts'
import { openedDefinition } from './definition.ts'
import { type GrantRecord, ownToken, type Sealed, type TokenRevocation, type ToldTokens } from './grant.ts'
import type { RefreshContext } from './refresh.ts'

/** A token that the provider may be told of, still sealed. */
type Revocable =
  | { readonly field: 'refresh_token'; readonly sealed: Sealed }
  | {
      readonly field: 'access_token'
      readonly sealed: Sealed
      readonly scope: string
      readonly resource: string
    }

/** Access tokens for other scopes end by themselves; beyond so many they are left to that. */
const mostAccessTokens = 16

/** Every refresh token that may be alive. */
export const refreshTokensOf = (record: GrantRecord): readonly Revocable[] =>
  [
    record.refreshToken,
    ...record.candidates.map(({ refreshToken }) => refreshToken),
    record.previousRefreshToken,
  ].flatMap((token) => (token === undefined ? [] : [{ field: 'refresh_token', sealed: token.sealed }]))

/** Access tokens that have not expired, the grant's own first; `always`: that one in any case. */
function accessTokensOf({ tokens }: GrantRecord, utc: number, always: boolean): readonly Revocable[] {
  const isOwn = (row: { scope: string; resource: string }): boolean =>
    row.scope === ownToken.scope && row.resource === ownToken.resource
  return [...tokens.filter(isOwn), ...tokens.filter((row) => !isOwn(row))]
    .filter((row) => row.expiresAt > utc || (always && isOwn(row)))
    .slice(0, mostAccessTokens)
    .map(({ sealed, scope, resource }) => ({ field: 'access_token', sealed, scope, resource }))
}

/** What became of them, and how long the provider wants to be left alone, in seconds. */
export interface Telling {
  readonly told: ToldTokens
  readonly retryAfter?: number | undefined
}

/**
 * Tells the provider of every token of a login, refresh tokens first: most take the access tokens along (RFC 7009 section 2.1),
 * and where they do not, those are worth a request of their own. One that the provider cannot take now ends the telling.
 */
export async function tellTokens(context: RefreshContext, record: GrantRecord): Promise<Telling> {
  const { store, clock } = context
  const refreshTokens = refreshTokensOf(record)
  try {
    const definition = openedDefinition(store.seal, record)
    const { client } = definition
    const server = await context.serverOf(definition)
    const { revokeToken } = await import('../oauth/revocation.ts')
    const wire = { transport: context.transport, now: clock.now, deadline: context.timing.deadline }
    let retryAfter: number | undefined
    // Where the access token is what renews it, both kinds are the same token.
    const ended = new Set<string>()
    const tell = async (
      tokens: readonly Revocable[],
      final: boolean,
    ): Promise<TokenRevocation | undefined> => {
      let worst: TokenRevocation | undefined
      for (const revocable of tokens) {
        const token = opened(context, record.id, revocable)
        if (ended.has(token.reveal())) {
          worst ??= { outcome: 'revoked', at: clock.now() }
          continue
        }
        const presented = { token, hint: revocable.field }
        const answer = await revokeToken(server, client, presented, wire)
        if (answer.kind === 'failed') retryAfter = answer.retryAfter
        const { outcome, why } = judged(answer, final)
        if (outcome === 'revoked') ended.add(token.reveal())
        if (worst === undefined || outcome !== 'revoked') worst = { outcome, at: clock.now(), why }
        if (outcome === 'pending' || outcome === 'failed') break
      }
      return worst
    }
    const refreshToken = await tell(refreshTokens, false)
    if (refreshToken?.outcome === 'pending')
      return { told: { refreshToken, ...notYet(record, refreshToken, clock.now()) }, retryAfter }
    const over = refreshToken?.outcome === 'revoked'
    const accessToken = await tell(accessTokensOf(record, clock.now(), !over), over)
    const endsLogin = client.dialect !== undefined && rulesOf(client.dialect, 'revoke').ends_login === true
    const along = endsLogin && accessToken?.outcome === 'revoked' && refreshToken !== undefined
    return { told: { refreshToken: along ? accessToken : refreshToken, accessToken }, retryAfter }
  } catch (error) {
    // No endpoint found, or a row that does not open: it may be mended until the seven days are over.
    const why = error instanceof Error ? error.message : String(error)
    const pending: TokenRevocation = { outcome: 'pending', at: clock.now(), why }
    const refreshToken = refreshTokens.length === 0 ? undefined : pending
    return { told: { refreshToken, ...notYet(record, pending, clock.now(), refreshToken === undefined) } }
  }
}

/** Access tokens that nobody has spoken of, because the provider could not be told of something else. */
const notYet = (
  record: GrantRecord,
  pending: TokenRevocation,
  utc: number,
  always = false,
): Pick<ToldTokens, 'accessToken'> =>
  accessTokensOf(record, utc, always).length === 0 ? {} : { accessToken: pending }

function opened({ store }: RefreshContext, grant: string, revocable: Revocable): Secret {
  if (revocable.field === 'refresh_token')
    return new Secret(store.seal.open(revocable.sealed, { grant, field: revocable.field }))
  const { sealed, field, scope, resource } = revocable
  const text = store.seal.open(sealed, { grant, field, scope, resource })
  return new Secret((JSON.parse(text) as { value: string }).value)
}

/**
 * What an answer means for the token. Almost anything may be mended within seven days, a wrong client secret too; but once the
 * login itself has ended (`final`), a provider that does not want to hear of its access tokens is not asked again.
 */
function judged(answer: RevocationAnswer, final: boolean): Pick<TokenRevocation, 'outcome' | 'why'> {
  switch (answer.kind) {
    case 'revoked':
    case 'unsupported':
      return { outcome: answer.kind }
    case 'silence':
      return { outcome: 'pending', why: answer.detail }
    case 'failed': {
      const { status, error } = answer
      const refused = status >= 300 && status < 500 && status !== 408 && status !== 429
      return { outcome: final && refused ? 'failed' : 'pending', why: error ?? `status ${status}` }
    }
    default:
      return answer satisfies never
  }
}
