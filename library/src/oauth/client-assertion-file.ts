import type { Secret } from '../secret.ts'
import { readTokenFile } from './token-file.ts'

/** JWS compact serialization (RFC 7515 section 3.1): RFC 7523 section 3 wants a signature or a MAC. */
const signedJwt = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * The signed JWT that a platform keeps fresh in a file: a projected service account token of Kubernetes, an identity of a
 * workload in CI.
 *
 * @throws ConfigurationError as {@link readTokenFile} does.
 */
export const readClientAssertion = (file: string): Promise<Secret> =>
  readTokenFile(file, { name: 'client assertion', shape: signedJwt, kind: 'one signed JWT' })
