/** One consent or one key's use: the family of a refresh token and of every access token that came of it. */
export interface Login {
  readonly id: string
  readonly clientId: string
  readonly subject: string
  readonly grantType: string
  readonly scope: readonly string[]
  readonly openedAt: number
  readonly revoked?: string | undefined
  /** Digest of its only access token that lives, where a new one ends the earlier ones. */
  readonly onlyAccessToken?: string | undefined
}

export interface AccessToken {
  readonly digest: string
  readonly login: string
  readonly scope: readonly string[]
  /** `resource` of RFC 8707. */
  readonly audience: readonly string[]
  readonly issuedAt: number
  readonly expiresAt: number
  /** Thumbprint of the key that it is bound to (RFC 9449 section 6). */
  readonly jkt?: string | undefined
}

export interface RefreshToken {
  readonly digest: string
  readonly login: string
  readonly issuedAt: number
  readonly expiresAt: number
  /** Digest of its newest child; a token with a child is used. */
  readonly child?: string | undefined
  /** When it was used first: its reuse window begins then. */
  readonly usedAt?: number | undefined
  /** What it takes, together with the token itself, to give the answer of its newest use again. */
  readonly repeatable?: RepeatableAnswer | undefined
  /** Its parent was used again and got another child in its place. */
  readonly replaced?: boolean | undefined
  /** Thumbprint of the key that it is bound to: that of a public client is (RFC 9449 section 5). */
  readonly jkt?: string | undefined
}

/** An answer without its tokens: they are derived from the parent's clear text, which only the client has. */
export interface RepeatableAnswer {
  readonly nonce: string
  readonly scope: readonly string[]
  /** Of the access token. */
  readonly expiresAt: number
  /** What the access token is bound to. */
  readonly jkt?: string | undefined
}

export interface Code {
  readonly digest: string
  readonly clientId: string
  readonly subject: string
  readonly scope: readonly string[]
  readonly audience: readonly string[]
  /** As it stood in the authorization request; absent if it did not (RFC 6749 section 4.1.3). */
  readonly redirectUri?: string | undefined
  readonly codeChallenge: string
  /** `dpop_jkt` of the authorization request (RFC 9449 section 10). */
  readonly jkt?: string | undefined
  readonly expiresAt: number
  /** The login that it was exchanged for; a code with a login is used. */
  readonly login?: string | undefined
}

/** An authorization request that the client has handed over, RFC 9126 section 2.2. */
export interface PushedRequest {
  /** Of its `request_uri`. */
  readonly digest: string
  readonly clientId: string
  /** The parameters as a query. */
  readonly query: string
  readonly expiresAt: number
  /** A page shows it: no other does. */
  readonly shown?: true | undefined
}

/** A device authorization, RFC 8628 section 3.2. */
export interface DeviceCode {
  readonly digest: string
  /** Digest of the user code as it is looked up: capital letters alone. */
  readonly userCode: string
  readonly clientId: string
  readonly scope: readonly string[]
  readonly audience: readonly string[]
  readonly expiresAt: number
  /** Seconds between two polls; a poll that comes too early makes it longer. */
  readonly interval: number
  readonly polledAt?: number | undefined
  readonly decision?: DeviceDecision | undefined
  /** The login that it was exchanged for; a code with a login is used. */
  readonly login?: string | undefined
}

/** What a person decided about a device, and who that was. */
export type DeviceDecision =
  | { readonly allowed: true; readonly subject: string }
  | { readonly allowed: false }

/**
 * Everything that ever changes the state. Tokens and codes stand in it as digests; times are UTC milliseconds.
 * What must not come apart (spending one token, issuing the next) is one event, and so one line of the journal.
 */
export type PracticeEvent =
  | { type: 'opened'; at: number; version: 1 }
  | { type: 'code_issued'; at: number; code: Code }
  | { type: 'request_pushed'; at: number; request: PushedRequest }
  | { type: 'pushed_request_shown'; at: number; digest: string }
  | { type: 'pushed_request_decided'; at: number; digest: string }
  | { type: 'device_code_issued'; at: number; code: DeviceCode }
  | { type: 'device_code_decided'; at: number; digest: string; decision: DeviceDecision }
  | { type: 'device_code_polled'; at: number; digest: string; interval: number }
  | {
      type: 'tokens_issued'
      at: number
      /** The login, where this is its first token. */
      opens?: Login | undefined
      accessToken: AccessToken
      refreshToken?: RefreshToken | undefined
      /** Digests of what was given for them. */
      spentCode?: string | undefined
      spentDeviceCode?: string | undefined
      spentRefreshToken?: string | undefined
      /** With the clear text of the spent refresh token it gives both new tokens again. */
      nonce?: string | undefined
      /** Digest of an earlier child of the same parent, which is dead from now on. */
      replaces?: string | undefined
      /** The login's earlier access tokens are dead from now on. */
      endsEarlier?: true | undefined
    }
  | { type: 'login_revoked'; at: number; login: string; reason: string }
  | { type: 'access_token_revoked'; at: number; digest: string }
  | { type: 'proof_accepted'; at: number; jkt: string; jti: string; expiresAt: number }
  | { type: 'assertion_accepted'; at: number; issuer: string; jti: string; expiresAt: number }
