import { Journal } from './journal.ts'
import type {
  AccessTokenHistory,
  LoginHistory,
  RefreshTokenHistory,
  TokenRequestHistory,
} from './login-history.ts'
import type { TruthEntry } from './truth-log.ts'

/**
 * Puts the facts of a truth log together by login. Reads the log once: give it the whole of it, from the file if it was
 * long, since memory forgets the oldest facts.
 */
export function loginHistories(entries: readonly TruthEntry[]): ReadonlyMap<string, LoginHistory> {
  const requests = new Map<string, OpenRequest>()
  const logins = new Map<string, OpenLogin>()
  const loginOfToken = new Map<string, string>()
  for (const [place, entry] of entries.entries()) {
    const key = `${entry.run}:${entry.request}`
    let request = requests.get(key)
    if (request === undefined) {
      request = newRequest(entry, place)
      requests.set(key, request)
    }
    readFact(entry, request, place)
    const login = loginOf(entry, loginOfToken)
    if (login === undefined) continue
    let open = logins.get(login)
    if (open === undefined) {
      open = { login, requests: [], refreshTokens: new Map(), accessTokens: new Map() }
      logins.set(login, open)
    }
    if (request.login === undefined && entry.type !== 'revoked') {
      request.login = login
      open.requests.push(request)
    }
    readLogin(entry, request, open, place)
    if (entry.type === 'issued' && entry.refreshToken !== undefined)
      loginOfToken.set(entry.refreshToken, login)
  }
  return logins
}

/** The entries of a `truthFile`, also while a server writes to it. */
export const readTruthFile = (file: string): readonly TruthEntry[] => Journal.read<TruthEntry>(file)

type OpenRequest = { -readonly [Member in keyof TokenRequestHistory]: TokenRequestHistory[Member] }
type OpenToken = { -readonly [Member in keyof RefreshTokenHistory]: RefreshTokenHistory[Member] }
type OpenAccessToken = { -readonly [Member in keyof AccessTokenHistory]: AccessTokenHistory[Member] }

interface OpenLogin {
  readonly login: string
  readonly requests: OpenRequest[]
  readonly refreshTokens: Map<string, OpenToken>
  readonly accessTokens: Map<string, OpenAccessToken>
  ended?: LoginHistory['ended']
}

function newRequest({ at, run, request }: TruthEntry, place: number): OpenRequest {
  return {
    number: request,
    run,
    receivedAt: at,
    repeated: false,
    killedFamily: false,
    processedLate: false,
    from: place,
    until: place,
  }
}

function readFact(entry: TruthEntry, request: OpenRequest, place: number): void {
  request.until = place
  switch (entry.type) {
    case 'received':
      request.sender = entry.sender
      request.presented = entry.refreshToken
      return
    case 'issued':
    case 'repeated':
      request.accessToken = entry.accessToken
      request.refreshToken = entry.refreshToken
      request.repeated = entry.type === 'repeated'
      return
    case 'family_killed':
      request.killedFamily = true
      return
    case 'processed':
      request.processedAt = entry.at
      request.outcome = entry.outcome
      request.processedLate = request.delivery === 'client_gone'
      return
    case 'answered':
      request.delivery = entry.delivery
      request.answeredAt = entry.at
      return
    case 'consumed':
    case 'revoked':
      return
    default:
      throw new Error(`unknown fact ${JSON.stringify(entry satisfies never)}`)
  }
}

/** Facts without a login are those of a request, and are known by the refresh token that it presents. */
function loginOf(entry: TruthEntry, loginOfToken: ReadonlyMap<string, string>): string | undefined {
  if ('login' in entry) return entry.login
  return 'refreshToken' in entry && entry.refreshToken !== undefined
    ? loginOfToken.get(entry.refreshToken)
    : undefined
}

function readLogin(entry: TruthEntry, request: OpenRequest, open: OpenLogin, place: number): void {
  const { at } = entry
  switch (entry.type) {
    case 'consumed': {
      const token = open.refreshTokens.get(entry.refreshToken)
      if (token === undefined || token.consumedAt !== undefined) return
      token.consumedAt = at
      token.place = { ...token.place, dead: Math.min(token.place.dead, place) }
      return
    }
    case 'issued':
      readIssue(entry, request, open, place)
      return
    case 'family_killed':
      end(open, { by: 'family_kill', at, place, request })
      return
    case 'revoked':
      end(open, { by: entry.by, at, place })
      return
    case 'received':
    case 'repeated':
    case 'processed':
    case 'answered':
      return
    default:
      throw new Error(`unknown fact ${JSON.stringify(entry satisfies never)}`)
  }
}

function readIssue(
  entry: Extract<TruthEntry, { type: 'issued' }>,
  issuedBy: OpenRequest,
  open: OpenLogin,
  place: number,
): void {
  const { at, accessToken, refreshToken, replaces, expiresAt } = entry
  if (entry.endsEarlier)
    for (const earlier of open.accessTokens.values()) earlier.diedAt = Math.min(earlier.diedAt, at)
  open.accessTokens.set(accessToken, { fingerprint: accessToken, issuedAt: at, expiresAt, diedAt: expiresAt })
  const replaced = replaces === undefined ? undefined : open.refreshTokens.get(replaces)
  if (replaced !== undefined) {
    replaced.replacedAt = at
    replaced.place = { ...replaced.place, dead: Math.min(replaced.place.dead, place) }
  }
  if (refreshToken === undefined) return
  open.refreshTokens.set(refreshToken, {
    fingerprint: refreshToken,
    issuedAt: at,
    issuedBy,
    place: { issued: place, dead: Number.POSITIVE_INFINITY },
  })
}

function end(open: OpenLogin, ended: NonNullable<LoginHistory['ended']>): void {
  if (open.ended !== undefined) return
  open.ended = ended
  for (const token of open.accessTokens.values()) token.diedAt = Math.min(token.diedAt, ended.at)
}
