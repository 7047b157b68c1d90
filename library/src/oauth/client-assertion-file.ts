import { ConfigurationError } from '../errors.ts'
import { Secret } from '../secret.ts'
import { readSmallFile } from './small-file.ts'

/** Bytes. Tokens of platforms have a few thousand; whatever is larger is another file. */
const largestFile = 65_536
/** JWS compact serialization (RFC 7515 section 3.1): RFC 7523 section 3 wants a signature or a MAC. */
const signedJwt = /^[\w-]+\.[\w-]+\.[\w-]+$/

/**
 * The signed JWT that a platform keeps fresh in a file, as it is now: a projected service account token of Kubernetes, an
 * identity of a workload in CI. Read anew for each request, because nobody says when it is renewed. Who else may read the
 * file is the platform's affair: it sets the mode.
 *
 * @param file a whole path.
 * @throws ConfigurationError `key_file_unreadable` when there is no such file, or something else in it; never with any of it.
 */
export async function readClientAssertion(file: string): Promise<Secret> {
  const say = (what: string, cause?: unknown): ConfigurationError => unusable(file, what, cause)
  const text = (await readSmallFile(file, largestFile, say)).trim()
  if (text === '') throw unusable(file, 'is empty')
  if (!signedJwt.test(text)) throw unusable(file, 'holds something else than one signed JWT')
  return new Secret(text)
}

function unusable(file: string, what: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError('key_file_unreadable', `the client assertion file ${file} ${what}`, {
    file,
    cause,
    advice:
      'See whether what renews it is at work, and that this user may read it; then it goes on by itself.',
  })
}
