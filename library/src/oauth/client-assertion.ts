import type * as oauth from 'oauth4webapi'
import { Secret } from '../secret.ts'
import { signAssertion } from './assertion.ts'
import type { AssertionAudience, ClientRegistration, SigningKey } from './client.ts'
import { fillTemplate } from './template.ts'
import type { Wire } from './transport.ts'

/** Seconds: an assertion that authenticates one request need not live longer. */
export const assertionLifetime = 60
const usualParameter = 'client_assertion'

/**
 * How a client proves itself with a JWT that its provider wants otherwise than RFC 7523 section 2.2 has it: with another issuer,
 * or as `client_secret`.
 *
 * @param audience `usual` where the profile says none, or where the client itself asked for that.
 * @throws EvertokenError `invalid_configuration` when the key cannot be read.
 */
export async function dialectAssertion(
  { clientId, dialect }: ClientRegistration,
  key: SigningKey,
  audience: { readonly isAsked: boolean; readonly usual: AssertionAudience },
  wire: Pick<Wire, 'now' | 'random'>,
): Promise<oauth.ClientAuth> {
  const { client_assertion: said = {}, variables = {} } = dialect ?? {}
  const filled = (template: string | undefined): string | undefined =>
    template === undefined
      ? undefined
      : fillTemplate(template, (name) => {
          const value = name === 'client_id' ? clientId : variables[name]
          return value instanceof Secret ? undefined : value
        })
  const { parameter = usualParameter, lifetime = assertionLifetime } = said
  const jwt = await signAssertion(
    {
      issuer: filled(said.issuer) ?? clientId,
      subject: filled(said.subject) ?? clientId,
      audience: audience.isAsked ? audience.usual : (filled(said.audience) ?? audience.usual),
      lifetime,
      key,
    },
    wire,
  )
  return (_server, _client, body) => {
    body.set('client_id', clientId)
    if (parameter === usualParameter)
      body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    body.set(parameter, jwt.reveal())
  }
}
