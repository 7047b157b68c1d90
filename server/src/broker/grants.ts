import type { GrantDefinition, Keeper } from 'evertoken'
import { EvertokenError } from 'evertoken'
import { Type } from 'typebox'
import type { Broker } from './broker.ts'
import { grantId, grantParameters } from './grant-id.ts'
import { summaryBody, summaryReference } from './grant-summary.ts'
import { answers } from './problem.ts'
import { removalBody, removalSchema } from './revocation.ts'

/** How a grant is described in a request: by the keys of evertoken.yaml, so whoever knows that file brings this. */
export interface GrantDescriptionReader {
  /** JSON Schema of the description, without the grant's id. */
  readonly schema: object
  /** Throws an EvertokenError that names the key that is wrong. */
  readonly read: (description: unknown) => {
    readonly definition: GrantDefinition
    readonly labels: Readonly<Record<string, string>>
  }
}

export function grantRoutes(app: Broker, keeper: Keeper, description: GrantDescriptionReader): void {
  app.get(
    '/v1/grants',
    {
      config: { right: 'read' },
      schema: {
        operationId: 'listGrants',
        summary: 'Grants by id, a page at a time',
        tags: ['grants'],
        querystring: Type.Object(
          {
            after: Type.Optional(
              Type.String({
                maxLength: 200,
                description: 'The next of the page before.',
                examples: ['billing'],
              }),
            ),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Default 100.' })),
          },
          { additionalProperties: false },
        ),
        response: answers({
          200: Type.Object(
            {
              grants: Type.Array(summaryReference),
              next: Type.Optional(
                Type.String({ description: 'Ask again with it as after; absent on the last page.' }),
              ),
            },
            { description: 'A page of grants.' },
          ),
        }),
      },
    },
    async (request) => {
      const { after, limit = 100 } = request.query
      // One more than asked for tells whether there is another page.
      const found = await keeper.list({ after, limit: limit + 1 })
      const grants = found.slice(0, limit).map(summaryBody)
      const last = grants.at(-1)
      return { grants, ...(found.length > limit && last !== undefined && { next: last.id }) }
    },
  )

  app.get(
    '/v1/grants/:id',
    {
      config: { right: 'read' },
      schema: {
        operationId: 'getGrant',
        summary: 'State, expiry, last error and next attempt; never a token',
        tags: ['grants'],
        params: grantParameters,
        response: answers({ 200: summaryReference }),
      },
    },
    async (request) => summaryBody(await keeper.show(grantId(request.params))),
  )

  app.post(
    '/v1/grants',
    {
      config: { right: 'administer' },
      // The description is read by whoever knows its keys, and says better than a schema what is wrong with it.
      validatorCompiler: () => () => true,
      schema: {
        operationId: 'addGrant',
        summary: 'Add a grant',
        description:
          'By the keys of evertoken.yaml, with the client in place. Nothing is sent yet: the first read or the worker obtains the first token.',
        tags: ['grants'],
        body: withId(description.schema),
        response: answers({ 201: summaryReference }),
      },
    },
    async (request, reply) => {
      const { id, options } = described(request.body)
      const { definition, labels } = description.read(options)
      const summary = await keeper.add(id, definition, { labels })
      reply.code(201).header('location', `/v1/grants/${summary.id}`)
      return summaryBody(summary)
    },
  )

  app.delete(
    '/v1/grants/:id',
    {
      config: { right: 'administer' },
      schema: {
        operationId: 'removeGrant',
        summary: 'Forget a grant and every token of it',
        description:
          'Nothing is said to the provider, unless with revoke=true: then the login is ended first, as by revoke, and the grant is forgotten once the provider was told or has no way to be. While it cannot be told the answer is provider_error: the login is over here, nothing is forgotten, and the same request later does the rest.',
        tags: ['grants'],
        params: grantParameters,
        querystring: Type.Object(
          {
            revoke: Type.Optional(
              Type.Boolean({ description: 'End the login at the provider first. Default false.' }),
            ),
          },
          { additionalProperties: false },
        ),
        response: answers({ 200: removalSchema, 204: Type.Null({ description: 'It is forgotten.' }) }),
      },
    },
    async (request, reply) => {
      const id = grantId(request.params)
      const { revoke = false } = request.query
      const revocation = await keeper.remove(id, { revoke })
      return revoke ? removalBody(id, revocation) : reply.code(204).send(null)
    },
  )
}

function described(body: unknown): { id: string; options: object } {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new EvertokenError('invalid_request', 'the body is no JSON object')
  const { id, ...options } = body as { id?: unknown }
  if (typeof id !== 'string')
    throw new EvertokenError('invalid_grant_id', 'id is missing: a text that names the grant')
  return { id, options }
}

/** The description's schema with the id in it, for the documentation. */
function withId(schema: object): object {
  const { properties, required, ...rest } = schema as { properties?: object; required?: string[] }
  const id = Type.String({ description: 'The name of the grant.' })
  return {
    ...rest,
    properties: { id, ...properties },
    required: ['id', ...(required ?? [])],
    examples: [
      {
        id: 'billing',
        client: { provider: 'https://auth.acme.example', client_id: 'abc', client_secret: 'the secret' },
        grant_type: 'client_credentials',
        scope: ['read', 'write'],
        labels: { team: 'money' },
      },
    ],
  }
}
