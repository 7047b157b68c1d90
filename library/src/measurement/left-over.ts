import type { GrantDefinition } from '../grants/definition.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import { type PresentedToken, type RevocationAnswer, revokeToken } from '../oauth/revocation.ts'
import type { Wire } from '../oauth/transport.ts'
import type { Secret } from '../secret.ts'
import type { MeasuredServer, Spent } from './measured-server.ts'
import type { SandboxLogin } from './sandbox-login.ts'

/** What became of the tokens that a measurement left alive, as far as anybody knows. */
export interface LeftTokens {
  /**
   * - `revoked`: the provider was told of each (RFC 7009). Also where there was none to tell of.
   * - `unsupported`: it has no way to revoke some kind of them.
   * - `failed`: it refused, or gave no answer; `why` says what.
   * - `interrupted`: somebody wanted the measurement to end, and nothing more was sent.
   */
  readonly outcome: 'revoked' | 'unsupported' | 'failed' | 'interrupted'
  /** Tokens that are worth nothing now. */
  readonly revoked: number
  /** Tokens that may live on until they expire. */
  readonly left: number
  /** Bounded, without a secret. */
  readonly why?: string | undefined
}

interface Login {
  /** Refresh tokens that may be good, by their text. */
  readonly refreshTokens: Map<string, Secret>
  /** Refresh tokens that were used, and brought another. */
  readonly used: Set<string>
  /** The newest. */
  accessToken: Secret | undefined
}

/** The logins of a measurement, and which of their tokens may still be good. */
export class LeftOver {
  readonly #logins: Login[] = []
  /** Whose a refresh token is. */
  readonly #owners = new Map<string, Login>()

  /** A login of the measurement, before anything of it is used. */
  opened({ accessToken, refreshToken }: SandboxLogin): void {
    const text = refreshToken.reveal()
    const login: Login = { refreshTokens: new Map([[text, refreshToken]]), used: new Set(), accessToken }
    this.#logins.push(login)
    this.#owners.set(text, login)
  }

  /** The same server, with an eye on what it hands out. */
  watched(server: MeasuredServer): MeasuredServer {
    return {
      ...server,
      refresh: async (refreshToken) => {
        const spent = await server.refresh(refreshToken)
        this.#spent(refreshToken, spent)
        return spent
      },
    }
  }

  #spent(refreshToken: Secret, spent: Spent): void {
    const text = refreshToken.reveal()
    const login = this.#owners.get(text)
    if (login === undefined) return
    if (spent.kind === 'refused') login.refreshTokens.delete(text)
    if (spent.kind !== 'tokens') return
    login.accessToken = spent.accessToken
    const { child } = spent
    if (child === undefined) return
    // One that works again may go on doing so.
    if (login.used.has(text)) login.refreshTokens.set(text, refreshToken)
    else login.refreshTokens.delete(text)
    login.used.add(text)
    login.refreshTokens.set(child.reveal(), child)
    this.#owners.set(child.reveal(), login)
  }

  /** Refresh tokens first: most servers take the access tokens along (RFC 7009 section 2.1). */
  #tokens(): readonly PresentedToken[] {
    return [
      ...this.#logins.flatMap(({ refreshTokens }) =>
        [...refreshTokens.values()].map((token) => ({ token, hint: 'refresh_token' }) as const),
      ),
      ...this.#logins.flatMap(({ accessToken: token }) =>
        token === undefined ? [] : [{ token, hint: 'access_token' } as const],
      ),
    ]
  }

  /** Tells the server of each token once. Never throws: what was measured is worth more than what is left. */
  async revoke(server: ServerMetadata, definition: GrantDefinition, wire: Wire): Promise<LeftTokens> {
    const tokens = this.#tokens()
    const lives: RevocationAnswer[] = []
    let revoked = 0
    for (const presented of tokens) {
      const answer = await told(server, definition, presented, wire)
      if (answer.kind === 'revoked') revoked += 1
      else lives.push(answer)
      // A server that is away is away for the rest of them too.
      if (answer.kind === 'silence') break
    }
    const left = tokens.length - revoked
    if (left === 0) return { outcome: 'revoked', revoked, left }
    const why = lives.map(whyOf).find((one) => one !== undefined)
    return why === undefined
      ? { outcome: 'unsupported', revoked, left }
      : { outcome: 'failed', revoked, left, why }
  }

  /** Nothing is sent. */
  abandoned(): LeftTokens {
    return { outcome: 'interrupted', revoked: 0, left: this.#tokens().length }
  }
}

async function told(
  server: ServerMetadata,
  { client }: GrantDefinition,
  presented: PresentedToken,
  wire: Wire,
): Promise<RevocationAnswer> {
  try {
    return await revokeToken(server, client, presented, wire)
  } catch (error) {
    return { kind: 'failed', status: 0, error: error instanceof Error ? error.message : String(error) }
  }
}

function whyOf(answer: RevocationAnswer): string | undefined {
  switch (answer.kind) {
    case 'revoked':
    case 'unsupported':
      return undefined
    case 'silence':
      return answer.detail
    case 'failed':
      return answer.error ?? `status ${answer.status}`
    default:
      return answer satisfies never
  }
}
