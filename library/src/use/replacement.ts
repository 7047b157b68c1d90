import type { AccessToken, TokenSource } from '../grants/token.ts'
import { authorizationOf } from './authorization.ts'

/**
 * Reports that an API refused a token.
 *
 * @returns a newer one; the same one when there is none to be had: the API's own answer says more than our error about the report.
 * @throws the signal's reason where that has fired.
 */
export async function replacementOf(
  source: TokenSource,
  token: AccessToken,
  signal?: AbortSignal | undefined,
): Promise<AccessToken> {
  try {
    const newer = await source.rejected({ generation: token.generation, signal })
    // What a source gives in place of a token is none to be had.
    authorizationOf(newer)
    return newer
  } catch {
    signal?.throwIfAborted()
    return token
  }
}
