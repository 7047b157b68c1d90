/** What a program with its own storage keeps. Both tokens are secrets. */
export interface SavedTokens {
  /** The newest: the one before it may be worthless from now on. Absent where the grant has none. */
  readonly refreshToken: string | undefined
  /** The grant's own; of another scope only as long as there is no own one. */
  readonly accessToken: string
  /** UTC ms. */
  readonly obtainedAt: number
  /** UTC ms. */
  readonly expiresAt: number
  readonly tokenType: string
  readonly scope: readonly string[]
  /** Members of the provider's answer that the grant allows to be handed out. */
  readonly metadata: Readonly<Record<string, unknown>>
}
