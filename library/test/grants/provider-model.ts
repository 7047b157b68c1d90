import type { ReplayClass } from '../../src/grants/lifetime-facts.ts'

/** Refresh tokens are numbered by the provider: 1007 is the seventh of login 1. */
export const loginOf = (number: number): number => Math.floor(number / 1000)

interface IssuedToken {
  /** Killed by a younger sibling, or with its login. */
  valid: boolean
  /** When it was first used. */
  usedAt?: number
  /** The newest that it was exchanged for. */
  child?: number
}

/** What the provider makes of one request. */
export type Processed =
  /** `refreshToken`: the one that came along; absent where none rotates. */
  { readonly kind: 'issued'; readonly refreshToken?: number } | { readonly kind: 'refused' }

/** A provider of one replay class, and all that is true about its refresh tokens: no worker sees this. */
export class ProviderModel {
  readonly #replayClass: ReplayClass
  readonly #reuseWindow: number
  readonly #tokens = new Map<number, IssuedToken>()
  readonly #lastRotated = new Map<number, number>()
  readonly #ended = new Set<number>()
  #logins = 0

  constructor(replayClass: ReplayClass, reuseWindow: number) {
    this.#replayClass = replayClass
    this.#reuseWindow = reuseWindow
  }

  /** A person consents; the number of the first refresh token. */
  newLogin(): number {
    this.#logins += 1
    const number = this.#logins * 1000 + 1
    this.#tokens.set(number, { valid: true })
    return number
  }

  /** It would be exchanged for a child, not taken for a repetition or a theft. */
  isLive(number: number): boolean {
    const token = this.#tokens.get(number)
    return token?.valid === true && token.usedAt === undefined && !this.#ended.has(loginOf(number))
  }

  isSpent(number: number): boolean {
    return this.#tokens.get(number)?.usedAt !== undefined
  }

  /** It was used, and sent again now it would bring another child, which lives. */
  isForgiven(number: number, now: number): boolean {
    const token = this.#tokens.get(number)
    if (token?.usedAt === undefined || this.#ended.has(loginOf(number))) return false
    const isChildUsed = this.#tokens.get(token.child ?? 0)?.usedAt !== undefined
    return (
      now < token.usedAt + this.#reuseWindow && this.lastRotated(loginOf(number)) === number && !isChildUsed
    )
  }

  /** The refresh token of a login that was exchanged last. */
  lastRotated(login: number): number | undefined {
    return this.#lastRotated.get(login)
  }

  process(number: number, now: number): Processed {
    if (this.#replayClass === 'non_rotating') return { kind: 'issued' }
    const token = this.#tokens.get(number)
    if (token === undefined || this.#ended.has(loginOf(number))) return { kind: 'refused' }
    if (token.valid && token.usedAt === undefined) {
      token.usedAt = now
      token.valid = false
      this.#lastRotated.set(loginOf(number), number)
      return this.#child(number, token)
    }
    const inWindow = token.usedAt !== undefined && now < token.usedAt + this.#reuseWindow
    const isLast = this.#lastRotated.get(loginOf(number)) === number
    switch (this.#replayClass) {
      case 'idempotent':
        if (inWindow && isLast && token.child !== undefined)
          return { kind: 'issued', refreshToken: token.child }
        break
      case 'last_child_wins': {
        const child = this.#tokens.get(token.child ?? 0)
        if (this.isForgiven(number, now)) {
          if (child !== undefined) child.valid = false
          return this.#child(number, token)
        }
        break
      }
      case 'fork':
        if (inWindow) return this.#child(number, token)
        break
      case 'strict':
        if (token.usedAt !== undefined) this.#ended.add(loginOf(number))
        break
      default:
        return this.#replayClass satisfies never
    }
    return { kind: 'refused' }
  }

  #child(number: number, token: IssuedToken): Processed {
    const siblings = [...this.#tokens.keys()].filter((other) => loginOf(other) === loginOf(number))
    token.child = Math.max(...siblings) + 1
    this.#tokens.set(token.child, { valid: true })
    return { kind: 'issued', refreshToken: token.child }
  }
}
