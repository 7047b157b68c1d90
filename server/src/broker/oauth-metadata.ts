import { Type } from 'typebox'
import type { Broker } from './broker.ts'
import { tokenExchange } from './oauth-client.ts'
import { tokenEndpointPath } from './oauth-token.ts'
import { answers } from './problem.ts'

/** The metadata of the token endpoint (RFC 8414), for clients that discover it by the broker's origin as issuer. */
export function oauthMetadataRoutes(app: Broker, origin: () => string): void {
  app.get(
    '/.well-known/oauth-authorization-server',
    {
      config: { right: 'public' },
      schema: {
        operationId: 'getAuthorizationServerMetadata',
        summary: 'Metadata of the token endpoint (RFC 8414)',
        tags: ['tokens'],
        response: answers({
          200: Type.Object(
            {
              issuer: Type.String({ format: 'uri', description: "The broker's own origin." }),
              token_endpoint: Type.String({ format: 'uri' }),
              token_endpoint_auth_methods_supported: Type.Array(Type.String()),
              grant_types_supported: Type.Array(Type.String()),
              response_types_supported: Type.Array(Type.String(), {
                description: 'None: nobody consents here in this way.',
              }),
              service_documentation: Type.String({ format: 'uri' }),
            },
            { description: 'RFC 8414 section 2.' },
          ),
        }),
      },
    },
    () =>
      Promise.resolve({
        issuer: origin(),
        token_endpoint: `${origin()}${tokenEndpointPath}`,
        // `none`: in a token exchange the API key may come as the subject token alone.
        token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
        grant_types_supported: ['client_credentials', tokenExchange],
        response_types_supported: [],
        service_documentation: `${origin()}/openapi.json`,
      }),
  )
}
