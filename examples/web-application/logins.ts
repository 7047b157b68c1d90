import {
  type AuthorizationCodeOptions,
  authorizationCode,
  type RefreshingTokenSource,
  tokenSource,
} from 'evertoken'
import type { Session, SessionStore } from './session-store.ts'

/** What happened to the tokens of a login, for its page. */
export interface Happening {
  readonly at: number
  readonly what: string
}

/** A login whose browser is here now. */
export interface Login {
  readonly source: RefreshingTokenSource
  /** Newest last. */
  readonly happenings: readonly Happening[]
}

interface Open extends Login {
  readonly happenings: Happening[]
  /** The session that its tokens are saved to. */
  session: string
}

/** Logins in memory at most; the others are in the database, and come back when their browser does. */
const most = 1_000
const mostHappenings = 8

/** The token sources of logins, by session. Every new token goes through `save` before anybody gets it. */
export class Logins implements AsyncDisposable {
  readonly #client: AuthorizationCodeOptions
  readonly #sessions: SessionStore
  readonly #open = new Map<string, Open>()

  constructor(client: AuthorizationCodeOptions, sessions: SessionStore) {
    this.#client = client
    this.#sessions = sessions
  }

  /** That of a session: as it is in memory, or as it was saved. */
  of(session: Session): Login {
    return this.#of(session)
  }

  /** Where the browser is to be sent for the person's consent; only this session can finish it. */
  async begin(session: Session, redirectUri: string): Promise<string> {
    await this.forget(session.id)
    const { source } = this.#make({ ...session, tokens: undefined }, [])
    return (await source.beginConsent({ redirectUri, binding: session.id })).url
  }

  /** The person is back. The tokens go to `next`, a session that nobody knew before the log-in. */
  async finish(session: Session, callback: URL, next: Session): Promise<void> {
    const login = this.#of(session)
    login.session = next.id
    try {
      await login.source.finishConsent(callback, session.id)
    } catch (error) {
      login.session = session.id
      throw error
    }
    this.#open.delete(session.id)
    this.#open.set(next.id, login)
    this.#tell(login, 'logged in')
  }

  /** As if the access token had just ended. What there is in memory is given up, so that all else is found in the database. */
  async expire(session: Session): Promise<void> {
    if (session.tokens === undefined) return
    const happenings = [...this.of(session).happenings]
    const tokens = { ...session.tokens, expiresAt: Date.now() }
    await this.forget(session.id)
    this.#sessions.save(session.id, tokens)
    this.#tell(this.#make({ ...session, tokens }, happenings), 'made to expire')
  }

  /** Ends the login, here and at the provider, and says how far that came. */
  async end(session: Session): Promise<'revoked' | 'revoking'> {
    const { source } = this.of(session)
    const told = await source.revoke()
    await this.forget(session.id)
    return told
  }

  async forget(id: string): Promise<void> {
    const login = this.#open.get(id)
    this.#open.delete(id)
    await login?.source.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.keys()].map((id) => this.forget(id)))
  }

  #of(session: Session): Open {
    return this.#open.get(session.id) ?? this.#make(session, [])
  }

  #tell({ happenings }: Open, what: string): void {
    happenings.push({ at: Date.now(), what })
    if (happenings.length > mostHappenings) happenings.shift()
  }

  #make(session: Session, happenings: Happening[]): Open {
    const source = tokenSource(authorizationCode(this.#client), {
      saved: session.tokens,
      save: async (tokens) => this.#sessions.save(login.session, tokens),
    })
    const login: Open = { source, happenings, session: session.id }
    source.on('refreshed', () => this.#tell(login, 'a new access token came'))
    this.#open.set(session.id, login)
    const [oldest] = this.#open.keys()
    if (this.#open.size > most && oldest !== undefined) void this.forget(oldest)
    return login
  }
}
