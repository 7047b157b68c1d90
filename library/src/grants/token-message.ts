import type { Clock } from '../clock.ts'
import type { AssertionTemplate } from '../oauth/assertion.ts'
import type { ServerMetadata } from '../oauth/client.ts'
import type { ProofKey } from '../oauth/proof-key.ts'
import type { TokenAnswer } from '../oauth/token-answer.ts'
import type { Late, Transport } from '../oauth/transport.ts'
import type { Secret } from '../secret.ts'
import type { GrantDefinition } from './definition.ts'
import type { TokenKey } from './grant.ts'

/** One token request as a grant's definition wants it. */
export interface TokenMessage {
  readonly server: ServerMetadata
  readonly definition: GrantDefinition
  /** The refresh token, where the grant has one. */
  readonly held: Secret | undefined
  /** What the tokens are to be bound to, where they are. */
  readonly proofKey?: ProofKey | undefined
  readonly key: TokenKey
  /** Milliseconds for the whole exchange. */
  readonly deadline: number
  /** Takes an answer that comes after the deadline. */
  readonly late?: Late<TokenAnswer> | undefined
}

/** Loaded when first needed, since reading needs none; kept, since each import() asks the loader anew. */
const messages = {
  clientCredentials: once(() => import('../oauth/client-credentials.ts')),
  jwtBearer: once(() => import('../oauth/jwt-bearer.ts')),
  refreshToken: once(() => import('../oauth/refresh-token.ts')),
  tokenExchange: once(() => import('../oauth/token-exchange.ts')),
  requestedToken: once(() => import('../oauth/requested-token.ts')),
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined
  return () => {
    loaded ??= load()
    return loaded
  }
}

/** For the token endpoint, where nobody said for whom it is. */
function assertionFor(
  { assertion }: GrantDefinition,
  { tokenEndpoint }: ServerMetadata,
): AssertionTemplate | undefined {
  return assertion && { ...assertion, audience: assertion.audience ?? tokenEndpoint }
}

/** Sends the message that obtains the next token. */
export async function sendTokenMessage(
  { server, definition, held, proofKey, key, deadline, late }: TokenMessage,
  { transport, clock }: { readonly transport: Transport; readonly clock: Pick<Clock, 'now'> },
): Promise<TokenAnswer> {
  const wire = { transport, now: clock.now, deadline, late, proofKey }
  const message = {
    scope: key.scope === '' ? definition.scope : key.scope.split(' '),
    resource: key.resource === '' ? definition.resource : [key.resource],
    parameters: definition.parameters,
  }
  const { client } = definition
  switch (definition.grantType) {
    case 'client_credentials': {
      const { clientCredentialsGrant } = await messages.clientCredentials()
      return clientCredentialsGrant(server, client, message, wire)
    }
    case 'jwt_bearer': {
      const { jwtBearerGrant } = await messages.jwtBearer()
      const assertion = assertionFor(definition, server)
      if (assertion === undefined) throw new TypeError('a jwt_bearer grant without an assertion')
      return jwtBearerGrant(server, client, { ...message, assertion }, wire)
    }
    case 'token_exchange': {
      const { tokenExchangeGrant } = await messages.tokenExchange()
      const { exchange } = definition
      if (exchange === undefined) throw new TypeError('a token_exchange grant without a subject')
      return tokenExchangeGrant(server, client, { ...message, exchange }, wire)
    }
    case 'request': {
      const { requestedTokenGrant } = await messages.requestedToken()
      const assertion = assertionFor(definition, server)
      return requestedTokenGrant(server, client, { ...message, assertion }, wire)
    }
    case 'authorization_code':
    case 'password':
    case 'refresh_token': {
      const { refreshTokenGrant } = await messages.refreshToken()
      // RFC 6749 section 6: without a scope the new token has the one that was granted.
      const scope = key.scope === '' ? [] : message.scope
      return refreshTokenGrant(
        server,
        client,
        { ...message, scope, refreshToken: held as Secret, consentedScope: definition.scope },
        wire,
      )
    }
    default:
      return definition.grantType satisfies never
  }
}
