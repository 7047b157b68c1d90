import { EvertokenError } from '../errors.ts'
import { Secret } from '../secret.ts'
import type { SigningKey } from './client.ts'
import { randomText } from './random-text.ts'
import { importSigningKey } from './signing-key.ts'
import type { Wire } from './transport.ts'

/** What an assertion says each time it is signed, RFC 7523 section 3. */
export interface AssertionTemplate {
  /** `iss` */
  readonly issuer: string
  /** `sub`: on whose behalf; left out when absent. */
  readonly subject?: string | undefined
  /** `aud`; left out when absent. */
  readonly audience?: string | readonly string[] | undefined
  readonly key: SigningKey
  /** Seconds from `iat` to `exp`. Default 300. */
  readonly lifetime?: number | undefined
  /** Seconds by which `iat` lies in the past, for a provider that takes nothing from its own future. Default 0. */
  readonly backdate?: number | undefined
  /** Further claims, or others in place of ours; `null` leaves a claim out. */
  readonly claims?: Readonly<Record<string, unknown>> | undefined
  /** Further members of the JOSE header, or others in place of ours; `null` leaves one out. `alg` stays the key's. */
  readonly header?: Readonly<Record<string, unknown>> | undefined
}

const defaultLifetime = 300

/**
 * Signs a JWT bearer assertion with a fresh `jti` (RFC 7523 section 3): HS256, RS256, ES256 or EdDSA.
 *
 * @throws EvertokenError `invalid_configuration` when the key cannot be read or is too weak for its algorithm.
 */
export async function signAssertion(
  template: AssertionTemplate,
  wire: Pick<Wire, 'now' | 'random'>,
): Promise<Secret> {
  const key = await importSigningKey(template.key)
  const { CompactSign } = await import('./signing.ts')
  const issuedAt = Math.floor(wire.now() / 1000) - (template.backdate ?? 0)
  const claims = present({
    iss: template.issuer,
    sub: template.subject,
    aud: template.audience,
    iat: issuedAt,
    exp: issuedAt + (template.lifetime ?? defaultLifetime),
    jti: randomText(wire.random),
    ...template.claims,
  })
  const header = present({ typ: 'JWT', kid: template.key.keyId, ...template.header })
  try {
    const jwt = await new CompactSign(new TextEncoder().encode(JSON.stringify(claims)))
      .setProtectedHeader({ ...header, alg: template.key.algorithm })
      .sign(key)
    return new Secret(jwt)
  } catch (error) {
    throw new EvertokenError('invalid_configuration', `the assertion cannot be signed: ${reasonOf(error)}`)
  }
}

function present(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== null && value !== undefined),
  )
}

/** jose speaks of the kind and size of keys, never of their content. */
function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown reason'
}
