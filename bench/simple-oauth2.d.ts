/** What the bench and the campaign use of simple-oauth2, which ships no types. */
declare module 'simple-oauth2' {
  export interface Token {
    readonly access_token: string
    readonly [member: string]: unknown
  }
  export interface AccessToken {
    readonly token: Token
    expired(windowSeconds?: number): boolean
    refresh(): Promise<AccessToken>
  }
  export class AuthorizationCode {
    constructor(options: {
      client: { id: string; secret: string }
      auth: { tokenHost: string; tokenPath: string }
      options?: { authorizationMethod: 'header' | 'body' }
      /** Those of @hapi/wreck; `timeout` in milliseconds. */
      http?: { timeout: number; headers: Record<string, string> }
    })
    createToken(token: object): AccessToken
  }
}
