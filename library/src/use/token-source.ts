import type { Clock } from '../clock.ts'
import { openedToken } from '../grants/answer.ts'
import type { GrantDefinition } from '../grants/definition.ts'
import type { KeeperEvent, KeeperEvents } from '../grants/events.ts'
import { findToken, type GrantRecord, ownToken } from '../grants/grant.ts'
import { Keeper } from '../grants/keeper.ts'
import type { Seal } from '../grants/seal.ts'
import type { Timing } from '../grants/timing.ts'
import type { AccessToken, TokenRequest, TokenSource } from '../grants/token.ts'
import type { Transport } from '../oauth/transport.ts'
import { memoryStore } from '../stores/memory.ts'

/** What a program with its own storage keeps. Both tokens are secrets. */
export interface SavedTokens {
  /** The newest: the one before it may be worthless from now on. Absent where the grant has none. */
  readonly refreshToken: string | undefined
  /** The grant's own; of another scope only as long as there is no own one. */
  readonly accessToken: string
  /** UTC ms. */
  readonly expiresAt: number
  readonly tokenType: string
  readonly scope: readonly string[]
}

export interface TokenSourceOptions {
  /**
   * Awaited with every new token before anybody gets it. Must return only once it is durable; when it throws, it is
   * called again until it does not, and readers are told `store_unavailable` in the meantime.
   */
  save?: ((tokens: SavedTokens) => Promise<void>) | undefined
  /** Says that losing a rotated refresh token at exit is understood; else a strict grant without `save` is refused. */
  ephemeral?: boolean | undefined
  transport?: Transport | undefined
  clock?: Clock | undefined
  random?: (() => number) | undefined
  timing?: Partial<Timing> | undefined
}

/** A token source that refreshes by itself, for one program with its own storage or none. */
export interface RefreshingTokenSource extends TokenSource, AsyncDisposable {
  /** The token in memory, if it may be used this instant. */
  peekToken(): AccessToken | undefined
  /** A new token now. */
  refresh(): Promise<AccessToken>
  on<E extends KeeperEvent>(event: E, listener: (facts: KeeperEvents[E]) => void): () => void
  close(): Promise<void>
}

const id = 'source'

/**
 * Access tokens for one program: nothing is stored unless `save` stores it.
 *
 * ```ts
 * const source = tokenSource(clientCredentials({ tokenUrl, clientId, clientSecret }))
 * const token = await source.getToken()
 * ```
 *
 * Rejects with `store_not_durable` when the refresh token may rotate and there is nowhere to save it.
 */
export function tokenSource(
  definition: GrantDefinition,
  options: TokenSourceOptions = {},
): RefreshingTokenSource {
  const { save, ephemeral, clock, transport, random, timing } = options
  let keeper: Keeper | undefined
  let opening: Promise<Keeper> | undefined
  const waiting: ((opened: Keeper) => void)[] = []

  const open = (): Promise<Keeper> => {
    opening ??= (async () => {
      const store = memoryStore({
        clock,
        ephemeral,
        save: save === undefined ? undefined : (before, after, seal) => saveTokens(before, after, seal, save),
      })
      const opened = await Keeper.open({ store, transport, clock, random, timing })
      await opened.add(id, definition)
      for (const tell of waiting) tell(opened)
      keeper = opened
      return opened
    })()
    return opening
  }

  /** What could not be opened needs no closing; whoever asked for a token was told why. */
  const close = async (): Promise<void> => {
    const opened = await opening?.catch(() => undefined)
    await opened?.close()
  }

  return {
    getToken: (request?: TokenRequest) =>
      keeper === undefined
        ? open().then((opened) => opened.getToken(id, request))
        : keeper.getToken(id, request),
    rejected: async (report) => (await open()).rejected(id, report),
    peekToken: () => keeper?.peekToken(id),
    refresh: async () => (await open()).refresh(id),
    on(event, listener) {
      if (keeper !== undefined) return keeper.on(event, listener)
      let off: (() => void) | undefined
      let wanted = true
      waiting.push((opened) => {
        if (wanted) off = opened.on(event, listener)
      })
      return () => {
        wanted = false
        off?.()
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Only what a restart needs is given out to be saved, not each step of a refresh: a new refresh token, whichever of the
 * grant's tokens it came with, and a new token of its own.
 */
async function saveTokens(
  before: GrantRecord | undefined,
  after: GrantRecord,
  seal: Seal,
  save: (tokens: SavedTokens) => Promise<void>,
): Promise<void> {
  if (before === undefined) return
  const own = findToken(after, ownToken)
  const rotated = after.refreshToken !== undefined && after.refreshToken !== before.refreshToken
  const renewed = own !== undefined && own.sealed !== findToken(before, ownToken)?.sealed
  const token = own ?? after.tokens.at(-1)
  if (token === undefined || !(rotated || renewed)) return
  await save({
    refreshToken:
      after.refreshToken === undefined
        ? undefined
        : seal.open(after.refreshToken.sealed, { grant: id, field: 'refresh_token' }),
    accessToken: openedToken(seal, id, token).reveal(),
    expiresAt: token.expiresAt,
    tokenType: token.type,
    scope: token.grantedScope,
  })
}
