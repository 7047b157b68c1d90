import { type AccessToken, EvertokenError, type Keeper } from 'evertoken'
import { type Static, Type } from 'typebox'
import type { Broker } from './broker.ts'
import { accessTokenType, tokenExchange } from './oauth-client.ts'
import { answerOAuthError, OAuthRefusal } from './oauth-error.ts'
import { formOf, type OAuthForm, readForm } from './oauth-form.ts'
import { type RequestedGrant, requestedGrant } from './oauth-grant.ts'
import { refuseSenderConstrained } from './sender-constrained.ts'
import { presentation } from './token.ts'
import { hintsOf, secondsLeft } from './token-body.ts'

/** Where it stands below the broker's origin. */
export const tokenEndpointPath = '/oauth/token'

const form = 'application/x-www-form-urlencoded'

const parameters = Type.Object(
  {
    grant_type: Type.Union([Type.Literal('client_credentials'), Type.Literal(tokenExchange)]),
    client_id: Type.Optional(Type.String({ description: 'The id in the API key: evt_ID_…' })),
    client_secret: Type.Optional(Type.String({ description: 'The API key, where it is not in the header.' })),
    scope: Type.Optional(
      Type.String({
        description:
          'grant:NAME, then narrower scopes; without grant:NAME where resource or audience names it.',
      }),
    ),
    resource: Type.Optional(
      Type.String({
        description:
          "The grant's address at this broker, …/v1/grants/NAME; any other one is the provider's (RFC 8707).",
      }),
    ),
    audience: Type.Optional(Type.String({ description: 'The name of the grant (RFC 8693).' })),
    subject_token: Type.Optional(Type.String({ description: 'Token exchange: the API key.' })),
    subject_token_type: Type.Optional(Type.Literal(accessTokenType)),
    requested_token_type: Type.Optional(Type.Literal(accessTokenType)),
  },
  { examples: [{ grant_type: 'client_credentials', scope: 'grant:billing' }] },
)

const answer = Type.Object(
  {
    access_token: Type.String(),
    token_type: Type.String({ description: 'Bearer, or what else the provider said.' }),
    expires_in: Type.Integer({ description: 'Whole seconds that are left of the kept token.' }),
    scope: Type.Optional(Type.String({ description: 'In the words in which it was asked for.' })),
    issued_token_type: Type.Optional(Type.Literal(accessTokenType)),
    generation: Type.Integer({ description: 'Name it when you report that an API refused the token.' }),
    ...presentation,
    metadata: Type.Optional(
      Type.Object({}, { additionalProperties: true, description: "Members of the provider's answer." }),
    ),
  },
  { description: 'The kept token (RFC 6749 section 5.1, RFC 8693 section 2.2).' },
)

/**
 * A token endpoint as RFC 6749 section 3.2 has it, so that any OAuth client in any language gets the kept token: client credentials, or
 * token exchange (RFC 8693) of the API key. Nothing is minted by it: `expires_in` is what is left of the token that all readers get.
 */
export function oauthTokenRoutes(app: Broker, keeper: Keeper, origin: () => string): void {
  // A scope of its own, in which a form is all that a body can be.
  app.register(async (instance) => {
    const routes = instance as Broker
    routes.removeAllContentTypeParsers()
    routes.addContentTypeParser(
      form,
      { parseAs: 'string' },
      async (_request: unknown, body: string | Buffer) => readForm(String(body)),
    )
    routes.post(
      tokenEndpointPath,
      {
        config: { right: 'client' },
        errorHandler: answerOAuthError,
        // Unknown parameters are ignored (RFC 6749 section 3.2); the known ones are read by whoever needs them.
        validatorCompiler: () => () => true,
        schema: {
          operationId: 'issueToken',
          summary: 'A token that works, for any OAuth 2 client',
          description:
            'The same token as of GET /v1/grants/{id}/token. The API key is the client secret, sent by client_secret_basic or client_secret_post.',
          tags: ['tokens'],
          consumes: [form],
          body: parameters,
          response: {
            200: answer,
            default: {
              description: 'RFC 6749 section 5.2.',
              content: { 'application/json': { schema: Type.Unsafe({ $ref: 'OAuthError#' }) } },
            },
          },
        },
      },
      async (request, reply) => {
        const asked = formOf(request.body)
        const exchange = isExchange(asked)
        const grant = requestedGrant(asked, origin())
        const token = await readToken(keeper, grant)
        // RFC 6749 section 5.1; the other header stands on every answer.
        reply.header('pragma', 'no-cache')
        return answerBody(token, grant, exchange, keeper.clock.now())
      },
    )
  })
}

/** Whether it is a token exchange. Throws `unsupported_grant_type` for what is neither that nor client credentials. */
function isExchange(asked: OAuthForm): boolean {
  const grantType = asked.get('grant_type')?.[0]
  if (grantType === 'client_credentials') return false
  if (grantType === undefined) throw new OAuthRefusal('invalid_request', 'grant_type is missing')
  if (grantType !== tokenExchange)
    throw new OAuthRefusal('unsupported_grant_type', `send grant_type=client_credentials or ${tokenExchange}`)
  const wanted = asked.get('requested_token_type')?.[0] ?? accessTokenType
  if (wanted !== accessTokenType)
    throw new OAuthRefusal('invalid_request', `requested_token_type can only be ${accessTokenType}`)
  // A token in which somebody acts for another cannot be made of one that a provider has made.
  if (asked.has('actor_token')) throw new OAuthRefusal('invalid_request', 'an actor_token cannot be heeded')
  return true
}

/** Which of these it was is nobody's business who may not read the grant. */
const hidden: ReadonlySet<string> = new Set(['unknown_grant', 'forbidden'])

async function readToken(keeper: Keeper, grant: RequestedGrant): Promise<AccessToken> {
  const { id, scope, resource } = grant
  const own = scope === undefined && resource === undefined
  try {
    const known = keeper.peekToken(id, own ? undefined : { scope, resource })
    const token = known ?? (await keeper.getToken(id, { scope, resource }))
    refuseSenderConstrained(id, token)
    return token
  } catch (error) {
    throw error instanceof EvertokenError && hidden.has(error.code) ? grant.unknown() : error
  }
}

function answerBody(
  token: AccessToken,
  grant: RequestedGrant,
  exchange: boolean,
  now: number,
): Static<typeof answer> {
  const scope = grant.answeredScope(token.scope)
  return {
    access_token: token.value,
    token_type: token.type,
    expires_in: secondsLeft(token, now),
    // An empty scope is none (RFC 6749 section 3.3).
    ...(scope !== '' && { scope }),
    ...(exchange && { issued_token_type: accessTokenType }),
    ...hintsOf(token),
  } as Static<typeof answer>
}
