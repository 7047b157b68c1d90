import type { AccessToken, Keeper } from 'evertoken'
import { Type } from 'typebox'
import type { Broker } from './broker.ts'
import { grantId, grantParameters } from './grant-id.ts'
import { answers } from './problem.ts'
import { refuseSenderConstrained } from './sender-constrained.ts'
import { secondsLeft, tokenBody } from './token-body.ts'

export const scope = Type.String({
  maxLength: 2000,
  description: "Scope, joined by spaces; default: the grant's own.",
})
export const resource = Type.String({ maxLength: 2000, description: 'RFC 8707.' })

/** How the API wants the token. */
export const presentation = {
  header: Type.Optional(
    Type.String({ description: 'The header in which the API wants it; without it, Authorization.' }),
  ),
  scheme: Type.Optional(
    Type.String({
      description: 'What stands before it in that header; without it token_type, and where empty nothing.',
    }),
  ),
}

export const tokenSchema = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.String({ description: 'Bearer, or what else the provider said.' }),
    expires_at: Type.String({ format: 'date-time', description: 'UTC.' }),
    expires_in: Type.Integer({ description: 'Whole seconds that are left.' }),
    scope: Type.String({ description: 'What was granted, joined by spaces.' }),
    generation: Type.Integer({ description: 'Name it when you report that an API refused the token.' }),
    ...presentation,
    metadata: Type.Optional(
      Type.Object({}, { additionalProperties: true, description: "Members of the provider's answer." }),
    ),
    stale: Type.Optional(
      Type.Boolean({ description: 'True when it is the best there is and ends sooner than asked.' }),
    ),
    reason: Type.Optional(
      Type.String({
        description: 'Of a token that was reported as refused and comes back: why there is no newer one.',
      }),
    ),
  },
  {
    $id: 'Token',
    description: 'An access token that works.',
    examples: [
      {
        access_token: '2YotnFZFEjr1zCsicMWpAA',
        token_type: 'Bearer',
        expires_at: '2026-07-01T12:00:00.000Z',
        expires_in: 3214,
        scope: 'read write',
        generation: 7,
      },
    ],
  },
)

const json = 'application/json; charset=utf-8'

/** The schema by its name, so that the documentation says it once. The body leaves as the JSON text it is kept as. */
const tokenReference = Type.Unsafe<string>({ $ref: 'Token#' })

export function tokenRoutes(app: Broker, keeper: Keeper): void {
  const render = renderer(keeper.clock.now)

  app.get(
    '/v1/grants/:id/token',
    {
      config: { right: 'read' },
      schema: {
        operationId: 'getToken',
        summary: 'A token that works',
        description:
          'From memory in the normal case, after a refresh when the present one will not do. One that is bound to a key (DPoP) is worth nothing to a caller: 409, sender_constrained.',
        tags: ['tokens'],
        params: grantParameters,
        querystring: Type.Object(
          {
            min_ttl: Type.Optional(
              Type.Integer({
                minimum: 0,
                maximum: 10 ** 9,
                description: 'Seconds the token must still live; more than half its life is not insisted on.',
                examples: [60],
              }),
            ),
            scope: Type.Optional(scope),
            resource: Type.Optional(resource),
          },
          { additionalProperties: false },
        ),
        response: answers({ 200: tokenReference }),
      },
    },
    (request, reply) => {
      const id = grantId(request.params)
      const { min_ttl: minTtl = 0, scope, resource } = request.query
      reply.header('content-type', json)
      const own = scope === undefined && resource === undefined
      const known = keeper.peekToken(id, own ? undefined : { scope, resource })
      if (known !== undefined && (minTtl === 0 || known.expiresAt - keeper.clock.now() >= minTtl * 1000)) {
        reply.send(render(id, known))
        return
      }
      return keeper.getToken(id, { minTtl, scope, resource }).then((token) => render(id, token))
    },
  )

  app.post(
    '/v1/grants/:id/token/rejected',
    {
      config: { right: 'read' },
      schema: {
        operationId: 'reportRejectedToken',
        summary: 'An API refused that token',
        description:
          'One refresh for one generation, however many report it; the newer token to all of them.',
        tags: ['tokens'],
        params: grantParameters,
        body: Type.Object(
          {
            generation: Type.Integer({ minimum: 0, description: 'Of the token that was refused.' }),
            scope: Type.Optional(scope),
            resource: Type.Optional(resource),
          },
          { additionalProperties: false, examples: [{ generation: 7 }] },
        ),
        response: answers({ 200: tokenReference }),
      },
    },
    async (request, reply) => {
      const id = grantId(request.params)
      const token = await keeper.rejected(id, request.body)
      reply.header('content-type', json)
      return render(id, token)
    },
  )
}

/** A token's body is the same for a whole second: the text of the last one is kept with the token in memory. */
function renderer(now: () => number): (id: string, token: AccessToken) => string {
  const rendered = new WeakMap<AccessToken, { expiresIn: number; text: string }>()
  return (id, token) => {
    const expiresIn = secondsLeft(token, now())
    const last = rendered.get(token)
    if (last?.expiresIn === expiresIn) return last.text
    refuseSenderConstrained(id, token)
    const text = JSON.stringify(tokenBody(token, expiresIn))
    rendered.set(token, { expiresIn, text })
    return text
  }
}
