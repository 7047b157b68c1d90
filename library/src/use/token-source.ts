import type { Clock } from '../clock.ts'
import type { ConsentOptions, ConsentRequest } from '../grants/consent.ts'
import { checkedGrant, type GrantDefinition } from '../grants/definition.ts'
import type { KeeperEvent, KeeperEvents } from '../grants/events.ts'
import { findToken, type GrantRecord, ownToken } from '../grants/grant.ts'
import { Keeper } from '../grants/keeper.ts'
import { withSavedLogin } from '../grants/saved-login.ts'
import type { Seal } from '../grants/seal.ts'
import type { Timing } from '../grants/timing.ts'
import type { AccessToken, TokenRequest, TokenSource } from '../grants/token.ts'
import { openPayload } from '../grants/token-payload.ts'
import type { Validation } from '../grants/validation.ts'
import type { Transport } from '../oauth/transport.ts'
import { Secret } from '../secret.ts'
import { memoryStore } from '../stores/memory.ts'
import type { SavedTokens } from './saved-tokens.ts'
import { sourceName } from './source-grant.ts'

export interface TokenSourceOptions {
  /**
   * Awaited with every new token before anybody gets it. Must return only once it is durable; when it throws, it is
   * called again until it does not, and readers are told `store_unavailable` in the meantime.
   */
  save?: ((tokens: SavedTokens) => Promise<void>) | undefined
  /**
   * What was saved last: the login goes on from there, and nothing is sent while its access token lives. In place of the refresh token
   * that a definition names, and of a consent.
   */
  saved?: SavedTokens | undefined
  /** Says that losing a rotated refresh token at exit is understood; else a strict grant without `save` is refused. */
  ephemeral?: boolean | undefined
  /** Default: node:http with keep-alive. */
  transport?: Transport | undefined
  /** Default: the machine's. */
  clock?: Clock | undefined
  /** 0 to 1, for jitter. Default `Math.random`. */
  random?: (() => number) | undefined
  /** Other times than the defaults, in ms. */
  timing?: Partial<Timing> | undefined
}

/** A token source that refreshes by itself, for one program with its own storage or none. */
export interface RefreshingTokenSource extends TokenSource, AsyncDisposable {
  /** The token in memory, if it may be used this instant. */
  peekToken(): AccessToken | undefined
  /** A new token now. */
  refresh(): Promise<AccessToken>
  /** Begins a person's consent, where the grant needs one; send them to the `url`. Until it is finished readers get `grant_pending`. */
  beginConsent(options: ConsentOptions): Promise<ConsentRequest>
  /**
   * Finishes it with the URL that the provider sent the person back to; `save` is awaited. By the same source: what a consent began with
   * is in its memory.
   */
  finishConsent(callback: URL | URLSearchParams, binding?: string): Promise<void>
  /** Whether the present token is good, and how that is known; nothing is refreshed by it. */
  validate(): Promise<Validation>
  /** Ends the login, here and at the provider (RFC 7009). `revoking`: the provider could not be told; calling it again tries again. */
  revoke(): Promise<'revoked' | 'revoking'>
  /** Listens; gives back how to stop. */
  on<E extends KeeperEvent>(event: E, listener: (facts: KeeperEvents[E]) => void): () => void
  /** Waits for a refresh under way. Idempotent. */
  close(): Promise<void>
}

/**
 * Access tokens for one program: nothing is stored unless `save` stores it.
 *
 * ```ts
 * const source = tokenSource(clientCredentials({ tokenUrl, clientId, clientSecret }))
 * const token = await source.getToken()
 * ```
 *
 * Rejects with `store_not_durable` when the refresh token may rotate and there is nowhere to save it. Errors and events call its grant
 * by client and provider: `abc-at-auth.example.com`.
 *
 * @throws TypeError for what is no grant.
 */
export function tokenSource(
  definition: GrantDefinition,
  options: TokenSourceOptions = {},
): RefreshingTokenSource {
  const { save, saved, ephemeral, clock, transport, random, timing } = options
  const id = sourceName(checkedGrant(definition, 'tokenSource'))
  let keeper: Keeper | undefined
  let opening: Promise<Keeper> | undefined
  const waiting: ((opened: Keeper) => void)[] = []
  /** What was saved is not saved once more. */
  let restored = saved === undefined

  const open = (): Promise<Keeper> => {
    opening ??= (async () => {
      const store = memoryStore({
        clock,
        ephemeral,
        save:
          save === undefined
            ? undefined
            : async (before, after, seal) => {
                if (restored) await saveTokens(before, after, seal, save)
              },
      })
      const opened = await Keeper.open({ store, transport, clock, random, timing })
      await opened.add(id, definition)
      if (saved !== undefined) await goOn(opened, id, saved)
      restored = true
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
    beginConsent: async (consent) => (await open()).beginConsent(id, consent),
    finishConsent: async (callback, binding) => void (await (await open()).finishConsent(callback, binding)),
    validate: async () => (await open()).validate(id),
    revoke: async () => ((await (await open()).revoke(id)).state === 'revoked' ? 'revoked' : 'revoking'),
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

/** What was saved takes the place of what a new grant begins with. */
function goOn(
  { store, clock }: Keeper,
  id: string,
  { refreshToken, accessToken, ...saved }: SavedTokens,
): Promise<void> {
  const login = {
    ...saved,
    refreshToken: refreshToken === undefined ? undefined : new Secret(refreshToken),
    accessToken: new Secret(accessToken),
  }
  return store.update(id, (record, moment) => ({
    result: undefined,
    record: withSavedLogin(store, record as GrantRecord, login, clock.now(), moment),
  }))
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
  const { id } = after
  const { value, metadata } = openPayload(seal, id, token)
  await save({
    refreshToken:
      after.refreshToken === undefined
        ? undefined
        : seal.open(after.refreshToken.sealed, { grant: id, field: 'refresh_token' }),
    accessToken: value,
    obtainedAt: token.obtainedAt,
    expiresAt: token.expiresAt,
    tokenType: token.type,
    scope: token.grantedScope,
    metadata,
  })
}
