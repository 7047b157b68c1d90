import type { ClientDescription } from '../config/schema.ts'
import type { Algorithm, GrantAnswers, GrantTypeName } from './grant-flags.ts'
import type { NewGrant } from './grants.ts'

/** What can be missing, and what somebody types to give it. */
export const flagOf = {
  type: '--type',
  issuer: '--provider, --issuer or --token-url',
  authorizationUrl: '--authorization-url',
  clientId: '--client-id',
  clientSecret: '--client-secret-file or --client-secret-env',
  refreshToken: '--refresh-token-file or --refresh-token-env',
  signingKey: '--signing-key-file or --signing-key-env',
  algorithm: '--algorithm',
  assertionIssuer: '--assertion-issuer',
  subjectToken: '--subject-token-file or --subject-token-env',
  subjectTokenType: '--subject-token-type',
} as const satisfies Partial<Record<keyof GrantAnswers, string>>

export type Required = keyof typeof flagOf

/** What they bring says who asks. */
const anonymous: readonly GrantTypeName[] = ['jwt_bearer', 'password', 'token_exchange', 'request']

/** What a grant of this type cannot do without and nobody has given yet, in the order of asking. */
export function missingOf(answers: GrantAnswers): Required[] {
  const { type } = answers
  const wanted: Required[] = ['type']
  const profile = answers.profile !== undefined
  if (!profile && answers.tokenUrl === undefined) wanted.push('issuer')
  else if (!profile && type === 'authorization_code' && isNowhere(answers)) wanted.push('authorizationUrl')
  if (type === undefined || !anonymous.includes(type)) wanted.push('clientId')
  if (type === 'client_credentials' && secretAuthenticates(answers)) wanted.push('clientSecret')
  if (type === 'refresh_token') wanted.push('refreshToken')
  if (type === 'jwt_bearer') wanted.push('assertionIssuer')
  if (type === 'token_exchange') {
    if (answers.subjectTokenFile === undefined) wanted.push('subjectToken')
    wanted.push('subjectTokenType')
  }
  const signs =
    answers.clientAuthentication === 'private_key_jwt' && answers.clientAssertionFile === undefined
  if (type === 'jwt_bearer' || signs) wanted.push('algorithm', 'signingKey')
  return wanted.filter((name) => answers[name] === undefined)
}

/** There is no place at which a person could consent. */
const isNowhere = ({ issuer, deviceAuthorizationUrl }: GrantAnswers): boolean =>
  issuer === undefined && deviceAuthorizationUrl === undefined

const secretAuthenticates = (answers: GrantAnswers): boolean => {
  const { clientAuthentication: method, signingKey, clientAssertionFile, clientCertificateFile } = answers
  if (method !== undefined) return method.startsWith('client_secret')
  return [signingKey, clientAssertionFile, clientCertificateFile].every((other) => other === undefined)
}

/** The grant that the answers describe, by the keys of evertoken.yaml; nothing must be missing. */
export function describedGrant(answers: GrantAnswers): NewGrant {
  const { type = 'client_credentials', assertionIssuer, signingKey } = answers
  const key = signingKey === undefined ? undefined : signingKeyOf(answers, signingKey)
  const asserts = (type === 'jwt_bearer' && assertionIssuer !== undefined) || type === 'request'
  return defined({
    grant_type: type,
    client: clientOf(answers, asserts ? undefined : key),
    scope: listed(answers.scope),
    resource: listed(answers.resource),
    refresh_before: answers.refreshBefore,
    replay_class: answers.replayClass,
    reuse_window: answers.reuseWindow,
    assumed_lifetime: answers.assumedLifetime,
    parameters: answers.parameter,
    authorization_parameters: answers.authorizationParameter,
    metadata: answers.metadata === undefined ? undefined : [...answers.metadata],
    labels: answers.label,
    refresh_token: answers.refreshToken,
    subject_token: answers.subjectToken,
    subject_token_file: answers.subjectTokenFile,
    subject_token_type: answers.subjectTokenType,
    actor_token: answers.actorToken,
    actor_token_file: answers.actorTokenFile,
    actor_token_type: answers.actorTokenType,
    requested_token_type: answers.requestedTokenType,
    audience: answers.audience === undefined ? undefined : [...answers.audience],
    assertion:
      asserts && key !== undefined
        ? defined({
            issuer: assertionIssuer,
            subject: answers.assertionSubject,
            audience: answers.assertionAudience,
            lifetime: answers.assertionLifetime,
            claims: answers.claim,
            key,
          })
        : undefined,
  }) as NewGrant
}

function clientOf(answers: GrantAnswers, key: ClientDescription['signing_key']): ClientDescription {
  return defined({
    provider: profileOf(answers) ?? addressOf(answers),
    variables: answers.variable,
    client_id: answers.clientId,
    client_secret: answers.clientSecret,
    client_assertion_file: answers.clientAssertionFile,
    client_certificate_file: answers.clientCertificateFile,
    client_key_file: answers.clientKeyFile,
    client_authentication: answers.clientAuthentication,
    signing_key: key,
    pushed_authorization: answers.pushedAuthorization,
    dpop: answers.dpop,
    insecure_http: answers.insecureHttp,
    private_network: answers.privateNetwork,
    endpoint_hosts: answers.endpointHost && [...answers.endpointHost],
  }) as ClientDescription
}

/** What the profile of the provider asks for and nobody has given yet. */
export function missingVariables({ profile, variable = {} }: GrantAnswers): string[] {
  return Object.entries(profile?.profile.variables ?? {})
    .filter(([name, { default: usual }]) => usual === undefined && !Object.hasOwn(variable, name))
    .map(([name]) => name)
}

/** Whoever keeps the grant has the catalogue too; a profile of one's own goes along as a whole. */
function profileOf({ profile: found }: GrantAnswers): ClientDescription['provider'] | undefined {
  if (found === undefined) return undefined
  return found.file === undefined ? found.profile.id : { ...found.profile }
}

function addressOf(answers: GrantAnswers): ClientDescription['provider'] {
  return defined({
    issuer: answers.issuer,
    token_url: answers.tokenUrl,
    authorization_url: answers.authorizationUrl,
    device_authorization_url: answers.deviceAuthorizationUrl,
    pushed_authorization_request_url: answers.pushedAuthorizationRequestUrl,
    revocation_url: answers.revocationUrl,
  })
}

function signingKeyOf(answers: GrantAnswers, key: string): NonNullable<ClientDescription['signing_key']> {
  const algorithm: Algorithm = answers.algorithm ?? 'RS256'
  return { algorithm, key, ...(answers.keyId === undefined ? {} : { key_id: answers.keyId }) }
}

/** `--scope 'a b' --scope c` is three scopes. */
const listed = (values: readonly string[] | undefined): string[] | undefined =>
  values?.flatMap((value) => value.split(/\s+/).filter(Boolean))

/** An absent member and one that is undefined are not the same to the schema. */
const defined = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T
