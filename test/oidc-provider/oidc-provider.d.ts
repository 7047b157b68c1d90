/** The few parts of oidc-provider that server.ts uses; the package brings no types. */
declare module 'oidc-provider' {
  import type { RequestListener } from 'node:http'

  /** Koa's context of one request. */
  export interface Context {
    readonly path: string
    readonly status: number
    readonly body: unknown
    get(header: string): string
    /** Absent on paths that are none of the provider's. */
    readonly oidc?: {
      readonly client?: { readonly clientId: string }
      readonly params?: Readonly<Record<string, string | undefined>>
      readonly entities: { readonly Grant?: { readonly jti: string } }
    }
  }

  interface TokenModel {
    revokeByGrantId(grant: string): Promise<void>
  }

  export class Provider {
    readonly AccessToken: TokenModel
    readonly RefreshToken: TokenModel
    readonly Grant: { readonly adapter: { destroy(id: string): Promise<void> } }
    constructor(issuer: string, configuration: object)
    use(middleware: (context: Context, next: () => Promise<void>) => Promise<void>): void
    on(
      event: 'grant.error' | 'server_error',
      listener: (context: Context, error: Error & { error_detail?: string }) => void,
    ): void
    callback(): RequestListener
  }
}
