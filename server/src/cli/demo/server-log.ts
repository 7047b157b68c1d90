import type { PracticeRequest } from '@evertoken/testing'

/** What the server's own log says of one client. */
export interface ServerCount {
  /** Refresh requests that brought new tokens. */
  readonly issued: number
  /** Refresh requests that were refused. */
  readonly refused: number
  /** API calls with a token that was good. */
  readonly accepted: number
  /** Whether the newest login of this client is still alive: its last refresh was not refused. */
  readonly alive: boolean
}

export function countOf(requests: readonly PracticeRequest[], clientId: string): ServerCount {
  const mine = requests.filter((request) => request.clientId === clientId)
  // A request whose process was killed at the end may have no answer yet.
  const refreshes = mine.filter(
    ({ grantType, status }) => grantType === 'refresh_token' && status !== undefined,
  )
  const issued = refreshes.filter(({ outcome }) => outcome === 'issued').length
  return {
    issued,
    refused: refreshes.filter(({ status = 0 }) => status >= 400).length,
    accepted: mine.filter(({ path, outcome }) => path === '/api/whoami' && outcome === 'accepted').length,
    alive: refreshes.at(-1)?.outcome === 'issued',
  }
}
