import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { fingerprint } from '@evertoken/testing'
import { readLogin } from './login-file.ts'
import type { PeerLine, PeerOptions } from './peer.ts'

/** The peers, by the names of their files. */
export const peers = ['simple-oauth2', 'oauth2-fetch', 'lock-file'] as const

export type Peer = (typeof peers)[number]

/** A peer as a child process, until it is stopped or killed. */
export class PeerProcess {
  readonly name: string
  /** What it has printed so far, oldest first. */
  readonly lines: PeerLine[] = []
  readonly gone: Promise<[code: number | null, signal: NodeJS.Signals | null]>
  readonly #child: ChildProcess
  #complaint = ''

  constructor(peer: Peer, options: PeerOptions) {
    this.name = options.name
    const program = fileURLToPath(new URL(`./${peer}.ts`, import.meta.url))
    this.#child = spawn(
      process.execPath,
      ['--conditions=evertoken:source', program, JSON.stringify(options)],
      {
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      },
    )
    this.gone = once(this.#child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
    const { stdout, stderr } = this.#child
    if (stdout === null || stderr === null) throw new Error('a peer has no output')
    createInterface({ input: stdout }).on('line', (line) => this.lines.push(JSON.parse(line) as PeerLine))
    stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint = (this.#complaint + text).slice(-4_000)
    })
  }

  /** Undefined once it is gone, and when it could not be started. */
  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Whatever it complained of. */
  get complaint(): string {
    return this.#complaint
  }

  /** SIGKILL: nothing is tidied up. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.gone
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** Lets it finish what it does. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.gone
  }
}

/** The refresh tokens that the peers of one file have durably: its own, and what was left half renamed beside it. */
export function heldRefreshTokens(file: string): readonly string[] {
  const names = readdirSync(dirname(file)).filter((name) => name.startsWith(basename(file)))
  return names.flatMap((name) => {
    try {
      return [fingerprint(readLogin(join(dirname(file), name)).refresh_token)]
    } catch {
      // The lock, and a file that was cut.
      return []
    }
  })
}
