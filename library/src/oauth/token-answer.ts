import type { Secret } from '../secret.ts'
import type { ErrorAnswer } from './error-response.ts'

/** A successful token response, RFC 6749 section 5.1, normalised. */
export interface TokenResponse {
  readonly accessToken: Secret
  /** As the provider wrote it; `Bearer` in any case is given as `Bearer`, also when it was missing. */
  readonly tokenType: string
  /** Seconds, above zero; absent when the provider did not say or said something that is no lifetime. */
  readonly expiresIn?: number | undefined
  /** `exp` of an access token that is a JWT, UTC seconds: a hint, used only when `expiresIn` is absent. */
  readonly jwtExpiresAt?: number | undefined
  /** Absent when the provider sent none, null or an empty one: the old one stays good (RFC 6749 section 6). */
  readonly refreshToken?: Secret | undefined
  /** Granted scope; absent when it equals what was asked (RFC 6749 section 5.1). */
  readonly scope?: readonly string[] | undefined
  readonly idToken?: Secret | undefined
  /** `sub` of the id_token: whose login it is. Decoded, not verified. */
  readonly subject?: string | undefined
  /** The access token is a JWT that says it is bound to a certificate (RFC 8705 section 3.1). */
  readonly certificateBound?: true | undefined
  /** Seconds that the refresh token lives, above zero; absent when the provider did not say. */
  readonly refreshTokenExpiresIn?: number | undefined
  /** What the provider's profile wants handed out beside the token, by name; never a token. */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** More tokens of the same answer, by their names in the provider's profile; `whole` of each is its part alone. */
  readonly secondary?: Readonly<Record<string, TokenResponse>> | undefined
  /** The whole answer as it came: JSON text, or a form. */
  readonly whole: Secret
}

/** Why something that arrived is not a token response. */
export type UnusableReason =
  | 'redirect'
  | 'not_json'
  | 'empty'
  | 'too_large'
  | 'cut'
  | 'bad_encoding'
  | 'no_access_token'
  | 'bad_access_token'

/** Why nothing arrived. */
export type SilenceReason =
  | 'refused'
  | 'name_not_found'
  | 'tls'
  | 'reset'
  | 'deadline'
  | 'insecure_http'
  | 'private_address'
  | 'local'

/** Something arrived that is neither tokens nor a refusal. */
export interface UnusableAnswer {
  readonly kind: 'unusable'
  readonly status: number
  readonly reason: UnusableReason
  /** For people: what was looked for, and what was there. Holds no value of the answer. */
  readonly detail?: string | undefined
  readonly retryAfter?: number | undefined
  /** A well-formed refresh token that came without a usable access token: the old one may be spent by now. */
  readonly refreshToken?: Secret | undefined
  /** The body, where by the provider's profile it says that the present access token has got its life anew. */
  readonly extends?: Secret | undefined
  /** The body as it came, where one came whole: the last trace of tokens that may stand in it. */
  readonly whole?: Secret | undefined
}

/** What came of one token request: a fact, not yet a judgement (that is grants/outcome.ts). */
export type TokenAnswer =
  | { readonly kind: 'tokens'; readonly status: number; readonly response: TokenResponse }
  | ErrorAnswer
  | UnusableAnswer
  | {
      readonly kind: 'silence'
      /** False only when it is certain that no byte of the request reached the provider. */
      readonly sent: boolean
      readonly reason: SilenceReason
      /** What the system said, without secrets: `connect ECONNREFUSED 127.0.0.1:1`. */
      readonly detail: string
    }
