// What the peers have in common: their options, the lines that they print, and the loop of a program that needs a token.
// How a peer keeps its login alive stands in its own file, whole.

import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint } from '@evertoken/testing'

/** The one argument of a peer, as JSON. */
export interface PeerOptions {
  /** Stands in the server's log beside what it sent (`x-practice-sender`). */
  readonly name: string
  readonly tokenUrl: string
  /** The API that the program calls: 401 says that the token is dead. */
  readonly resourceUrl: string
  readonly clientId: string
  /** Sent in the body of the request. */
  readonly clientSecret: string
  /** Where the login is kept; every process that shares the login has the same. Written by {@link writeLogin}. */
  readonly file: string
  /** Seconds before expiry at which it refreshes. */
  readonly refreshBefore: number
  /** Patience for one request in milliseconds. */
  readonly deadline: number
  /** Milliseconds between two calls of the API. */
  readonly interval: number
  /** Milliseconds after a failure until it tries again. Default: ten times `interval`. */
  readonly retry?: number | undefined
  /** Age in milliseconds at which a lock counts as left by a dead process. Only for the lock file. */
  readonly stale: number
  /** SIGKILL to itself when it comes to that point for the so-manieth time, counted from 1. */
  readonly die?: { readonly at: PeerPoint; readonly time: number } | undefined
}

/**
 * Points of a refresh at which a process may be killed: before the request is sent, when its answer has arrived, and when
 * the new tokens are in the file.
 */
export type PeerPoint = 'pre_send' | 'post_recv' | 'post_commit'

/** A line on standard output. Tokens are fingerprints, times UTC ms. */
export type PeerLine =
  | { readonly type: 'ready'; readonly at: number }
  /** It called the API with that access token. */
  | { readonly type: 'call'; readonly at: number; readonly accessToken: string; readonly status: number }
  /** It has new tokens, in the file as well. */
  | {
      readonly type: 'holds'
      readonly at: number
      readonly accessToken: string
      readonly refreshToken: string
    }
  /** It got no token, or reached no API. */
  | { readonly type: 'failed'; readonly at: number; readonly error: string }

export const options = JSON.parse(process.argv[2] ?? '{}') as PeerOptions

type Told<Line> = Line extends PeerLine ? Omit<Line, 'at'> : never

/** A pipe is written at once on Linux, so a line that was printed survives the process. */
function tell(line: Told<PeerLine>): void {
  process.stdout.write(`${JSON.stringify({ at: Date.now(), ...line })}\n`)
}

export const tellHolds = (accessToken: string, refreshToken: string): void =>
  tell({
    type: 'holds',
    accessToken: fingerprint(accessToken),
    refreshToken: fingerprint(refreshToken),
  })

const reached = new Map<PeerPoint, number>()

export function point(name: PeerPoint): void {
  const times = (reached.get(name) ?? 0) + 1
  reached.set(name, times)
  if (options.die?.at === name && options.die.time === times) process.kill(process.pid, 'SIGKILL')
}

/** Calls the API with an access token. */
export async function callApi(accessToken: string): Promise<Response> {
  const response = await fetch(options.resourceUrl, {
    headers: { authorization: `Bearer ${accessToken}` },
    signal: AbortSignal.timeout(options.deadline),
  })
  await response.arrayBuffer()
  tell({ type: 'call', accessToken: fingerprint(accessToken), status: response.status })
  return response
}

/** Does its work again and again until SIGTERM, whatever goes wrong; an error is a line. */
export async function live(work: () => Promise<unknown>): Promise<void> {
  const stopping = new AbortController()
  process.once('SIGTERM', () => stopping.abort())
  process.once('disconnect', () => process.exit(1))
  tell({ type: 'ready' })
  while (!stopping.signal.aborted) {
    let pause = options.interval
    try {
      await work()
    } catch (error) {
      pause = options.retry ?? 10 * options.interval
      tell({ type: 'failed', error: error instanceof Error ? error.message.slice(0, 200) : String(error) })
    }
    await sleep(pause, undefined, { signal: stopping.signal }).catch(() => undefined)
  }
  process.removeAllListeners('disconnect')
  process.disconnect?.()
}
