import type { Secret } from '../secret.ts'
import type { ClientRegistration, ServerMetadata } from './client.ts'
import { requestDeclared } from './declared-request.ts'
import type { TokenAnswer } from './token-answer.ts'
import type { Wire } from './transport.ts'

/** The token of a consent for the one that lasts (Instagram, Threads, Facebook). No RFC has it. */
export const secondExchange = (
  server: ServerMetadata,
  client: ClientRegistration,
  accessToken: Secret,
  wire: Wire,
): Promise<TokenAnswer> =>
  requestDeclared(server, client, 'second_exchange', { access_token: accessToken }, {}, wire)
