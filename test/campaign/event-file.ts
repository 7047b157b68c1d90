import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { NoticeKind } from 'evertoken'

/** What a process of ours saw, one JSON object a line. Tokens are fingerprints, times UTC ms. */
export type ProcessEvent =
  | { readonly type: 'ready'; readonly at: number }
  /** A reader was given that access token; it had asked at `asked`. */
  | {
      readonly type: 'read'
      readonly at: number
      readonly asked: number
      readonly grant: string
      readonly generation: number
      readonly accessToken: string
    }
  /** It took the right to refresh that login. */
  | { readonly type: 'claimed'; readonly at: number; readonly grant: string }
  | { readonly type: 'send'; readonly at: number; readonly path: string; readonly refreshToken?: string }
  | {
      readonly type: 'answer'
      readonly at: number
      readonly path: string
      readonly refreshToken?: string
      /** HTTP status, or why there was none. */
      readonly result: number | string
    }
  /** What the keeper told of its own refreshes. */
  | { readonly type: 'told'; readonly at: number; readonly grant: string; readonly what: string }
  /** `revoke` of that grant has returned; nothing of it may be served any more. */
  | { readonly type: 'revoked'; readonly at: number; readonly grant: string; readonly state: string }
  /** The last line before SIGKILL or SIGSTOP at a named point. */
  | { readonly type: 'die'; readonly at: number; readonly point: string }
  | { readonly type: 'stop'; readonly at: number; readonly point: string }
  /** The event loop was not at work from then on until `at`: the process was stopped, blocked, or got no processor. */
  | { readonly type: 'stalled'; readonly at: number; readonly from: number }
  | { readonly type: 'trouble'; readonly at: number; readonly message: string }

/** An event, and who saw it. */
export type SeenEvent = ProcessEvent & { readonly sender: string }

/** What the campaign itself did and saw. */
export type CampaignEvent =
  | { readonly type: 'added'; readonly at: number; readonly grant: string; readonly refreshToken: string }
  | { readonly type: 'killed'; readonly at: number; readonly sender: string }
  | {
      readonly type: 'stopped'
      readonly at: number
      readonly until: number
      readonly sender: string
      readonly point: string
    }
  | { readonly type: 'fault'; readonly at: number; readonly fault: string }
  | { readonly type: 'revoking'; readonly at: number; readonly grant: string }
  /** Refresh tokens that stood in the spool of a process when it had died. */
  | { readonly type: 'spooled'; readonly at: number; readonly grant: string; readonly refreshToken: string }
  | { readonly type: 'notice'; readonly at: number; readonly grant: string; readonly kind: NoticeKind }
  | { readonly type: 'phase'; readonly at: number; readonly phase: 'quiet' | 'storm' | 'calm' | 'end' }

/** Appends lines to a file; what was appended survives SIGKILL of whoever did. */
export class EventWriter<Event> {
  readonly #descriptor: number

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a', 0o600)
  }

  write(event: Event): void {
    writeSync(this.#descriptor, `${JSON.stringify(event)}\n`)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** The events of a file; a last line that was torn is left out. */
export function readEvents<Event>(file: string): Event[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Event)
}
