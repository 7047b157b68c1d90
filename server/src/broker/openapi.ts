import { readFileSync } from 'node:fs'
import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import { summarySchema } from './grant-summary.ts'
import { oauthErrorSchema } from './oauth-error.ts'
import { problemSchema } from './problem.ts'
import type { Right } from './rights.ts'
import { tokenSchema } from './token.ts'

const description = `Tokens for any process in any language. Callers send \`Authorization: Bearer evt_…\`; a key has the right
to \`read\` or to \`administer\`. Errors are problem details (RFC 9457) with a stable \`code\`. OAuth clients find a token endpoint of their
own kind at \`/oauth/token\`.`

/** Collects every route that is added from here on. */
export function describeRoutes(app: FastifyInstance, origin: () => string): void {
  for (const schema of [problemSchema, tokenSchema, summarySchema, oauthErrorSchema]) app.addSchema(schema)
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'evertoken broker',
        version: packageVersion(),
        description,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'tokens', description: 'What callers come for.' },
        { name: 'grants', description: 'What is kept alive.' },
        { name: 'consent', description: "A person's consent, in a browser." },
        { name: 'health', description: 'For whoever supervises the broker.' },
      ],
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', bearerFormat: 'evt_<id>_<secret>_<crc>' },
          client: { type: 'http', scheme: 'basic', description: 'The id in the API key, and the API key.' },
        },
      },
    },
    // The names in the documentation are those of the schemas, not def-0, def-1.
    refResolver: {
      buildLocalReference: (json, _uri, _fragment, index) => String(json.$id ?? `def-${index}`),
    },
    transform: ({ schema, url, route }) => {
      const right = route.config?.right
      return { schema: { ...schema, security: securityOf(right) }, url }
    },
  })
  app.register(async (instance) => {
    instance.get(
      '/openapi.json',
      {
        config: { right: 'public' },
        schema: {
          operationId: 'getOpenApi',
          summary: 'This description',
          tags: ['health'],
          response: {
            200: { type: 'object', additionalProperties: true, description: 'OpenAPI 3.1.' },
          },
        },
      },
      () => Promise.resolve({ ...app.swagger(), servers: [{ url: origin() }] }),
    )
  })
}

function securityOf(right: Right | undefined): Record<string, string[]>[] {
  if (right === 'public' || right === undefined) return []
  // Or by members of the form, which OpenAPI has no scheme for.
  return right === 'client' ? [{ client: [] }, {}] : [{ apiKey: [right] }]
}

/** The same from the sources and from what is built: both lie two folders down. */
function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}
