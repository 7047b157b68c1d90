import type { AssertionTemplate } from '../oauth/assertion.ts'
import type { AssertionDefaults } from '../providers/profile.ts'
import { signingKey } from './authentication-options.ts'
import type { SigningKeyOptions } from './definition.ts'
import { checkedLifetime, invalid } from './option-check.ts'

/** What an assertion says, RFC 7523 section 3, as users write it. A profile may say it for them. */
export interface AssertionOptions {
  /** `iss`; may be left out where the profile says it. */
  issuer?: string | undefined
  /** `sub`; default: the issuer. */
  subject?: string | undefined
  /** `aud`; default: the token endpoint. */
  audience?: string | readonly string[] | undefined
  /** Seconds from `iat` to `exp`. Default 300. */
  lifetime?: number | undefined
  /** Any claim, also in place of one above; null leaves one out. */
  claims?: Readonly<Record<string, unknown>> | undefined
  /** More members of the JOSE header. */
  header?: Readonly<Record<string, unknown>> | undefined
  key: SigningKeyOptions
}

/**
 * The template that is signed for each request, frozen.
 *
 * @param said what the profile says where its user does not.
 * @throws EvertokenError `invalid_configuration`, `empty_secret`.
 */
export function assertionTemplate(given: AssertionOptions, said: AssertionDefaults = {}): AssertionTemplate {
  const issuer = given.issuer ?? said.issuer
  if (typeof issuer !== 'string' || issuer === '')
    throw invalid(
      'assertion.issuer is missing',
      'Say who signs; where the profile takes the client id for it, give that.',
    )
  const lifetime = checkedLifetime(given.lifetime ?? said.lifetime, 'assertion.lifetime') ?? 300
  const { backdate = 0 } = said
  if (backdate >= lifetime)
    throw invalid(
      `assertion.lifetime must be more than the ${backdate} seconds by which the profile backdates it`,
    )
  return Object.freeze({
    issuer,
    subject: given.subject ?? said.subject ?? issuer,
    audience: given.audience ?? said.audience,
    lifetime,
    ...(backdate === 0 ? {} : { backdate }),
    claims: Object.freeze({ ...said.claims, ...given.claims }),
    header: Object.freeze({ ...given.header }),
    key: signingKey(given.key, 'assertion.key'),
  })
}
