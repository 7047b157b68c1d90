import type { Keeper, Validation, ValidationMethod } from 'evertoken'
import { type Static, Type } from 'typebox'
import type { Broker } from './broker.ts'
import { grantId, grantParameters } from './grant-id.ts'
import { answers } from './problem.ts'
import { resource, scope } from './token.ts'

const method = Type.Unsafe<ValidationMethod>({
  type: 'string',
  enum: ['introspection', 'userinfo', 'call', 'jwt', 'expiry'],
  description:
    'introspection, userinfo and call asked the provider; jwt and expiry are what the token came with.',
})

const validationSchema = Type.Object(
  {
    grant: Type.String(),
    valid: Type.Boolean(),
    by: method,
    generation: Type.Integer({ description: 'Of the token that was looked at.' }),
    expires_at: Type.String({ format: 'date-time' }),
    unanswered: Type.Array(Type.Object({ by: method, why: Type.String() }), {
      description: 'Surer ways that said nothing.',
    }),
  },
  { description: 'Whether a token is good, and how that is known.' },
)

/** A validation as it goes over the wire. */
export const validationBody = ({ expiresAt, ...rest }: Validation): Static<typeof validationSchema> => ({
  ...rest,
  unanswered: [...rest.unanswered],
  expires_at: new Date(expiresAt).toISOString(),
})

/** Whether the provider takes a grant's present token. */
export function validationRoutes(app: Broker, keeper: Keeper): void {
  app.post(
    '/v1/grants/:id/validate',
    {
      config: { right: 'administer' },
      schema: {
        operationId: 'validateGrant',
        summary: 'Say whether the present token is good; changes nothing',
        tags: ['grants'],
        params: grantParameters,
        querystring: Type.Object(
          { scope: Type.Optional(scope), resource: Type.Optional(resource) },
          { additionalProperties: false },
        ),
        response: answers({ 200: validationSchema }),
      },
    },
    async (request) => validationBody(await keeper.validate(grantId(request.params), request.query)),
  )
}
