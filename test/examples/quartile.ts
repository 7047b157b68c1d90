import { once } from 'node:events'
import { createServer } from 'node:http'

/** An access token's life, in UTC ms. */
export interface Life {
  readonly token: string
  readonly bornAt: number
  /** When its successor was made, which ends it at once. */
  endedAt: number
}

interface Account {
  /** The one refresh token that is good. */
  live: string
  readonly lives: Life[]
}

/**
 * Quartile's token refresh as its documentation shows it: JSON with 201, nested, moments without a zone, and each refresh token good once. Whatever
 * is presented that is not the live one is refused and counted.
 */
export class Quartile {
  readonly accounts = new Map<string, Account>()
  /** Refresh tokens that came a second time, or were never issued. */
  readonly refused: string[] = []
  /** Seconds an access token lives, by account; default 12 hours. */
  readonly lifetimes = new Map<string, number>()
  /** Milliseconds until an answer leaves, by account. The tokens have changed before that. */
  readonly latencies = new Map<string, number>()
  /** Accounts whose renewals it answers with 500, and leaves as they are. */
  readonly troubled = new Set<string>()
  readonly subscription = 'k3y0'.repeat(8)
  readonly #server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8').on('data', (part) => {
      text += part
    })
    request.once('end', async () => {
      const { token } = JSON.parse(text) as { token: string }
      const [, name = ''] = /^refresh-(.*)-\d+$/.exec(token) ?? []
      const known = request.headers['subscription-key'] === this.subscription
      if (this.troubled.has(name)) {
        response.writeHead(500).end()
        return
      }
      const body = known && request.url === '/auth/v2/refresh' ? this.#renew(name, token) : undefined
      await new Promise((resolve) => setTimeout(resolve, this.latencies.get(name) ?? 0))
      response.writeHead(body === undefined ? 401 : 201, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body ?? { error: 'invalid_grant' }))
    })
  })
  url = ''

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as { port: number }).port}`
    return this
  }

  stop(): void {
    this.#server.close()
    this.#server.closeAllConnections()
  }

  /** A log-in of an account: its refresh token, which ends those before. */
  login(name: string): string {
    const { lives = [] } = this.accounts.get(name) ?? {}
    const live = `refresh-${name}-${lives.length}`
    this.accounts.set(name, { live, lives })
    return live
  }

  livesOf(name: string): readonly Life[] {
    return this.accounts.get(name)?.lives ?? []
  }

  #renew(name: string, token: string): object | undefined {
    const account = this.accounts.get(name)
    if (account === undefined || token !== account.live) {
      this.refused.push(token)
      return undefined
    }
    const now = Date.now()
    const before = account.lives.at(-1)
    if (before !== undefined) before.endedAt = now
    const count = account.lives.length + 1
    const access = `access-${name}-${count}`
    account.live = `refresh-${name}-${count}`
    account.lives.push({ token: access, bornAt: now, endedAt: Number.POSITIVE_INFINITY })
    const seconds = this.lifetimes.get(name) ?? 43_200
    const moment = (after: number) => new Date(now + after * 1000).toISOString().slice(0, 23)
    return {
      authorization: {
        token: access,
        type: 'bearer',
        expires_in: seconds,
        expires_at: moment(seconds),
        not_before: Math.floor(now / 1000),
        note: 'expires_at is in UTC',
      },
      refresh: {
        token: account.live,
        expires_in: 1_209_600,
        expires_at: moment(1_209_600),
        note: 'good once',
      },
    }
  }
}
