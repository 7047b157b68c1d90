import { ConfigurationError } from '../errors.ts'
import { Secret } from '../secret.ts'
import { readSmallFile } from './small-file.ts'

/** Bytes. Tokens of platforms have a few thousand; whatever is larger is another file. */
const largestFile = 65_536

/** What a file of somebody else's holds. */
export interface TokenFileContent {
  /** For messages: `client assertion`. */
  readonly name: string
  /** Matches the whole text, without the white space around it. */
  readonly shape: RegExp
  /** For messages: `one signed JWT`. */
  readonly kind: string
}

/**
 * A token that somebody else keeps fresh in a file, as it is now: a platform, or another program. Read anew for each request,
 * because nobody says when it is renewed. Who else may read the file is their affair: they set the mode.
 *
 * @param file a whole path.
 * @throws ConfigurationError `key_file_unreadable` when there is no such file, or something else in it; never with any of it.
 */
export async function readTokenFile(file: string, content: TokenFileContent): Promise<Secret> {
  const say = (what: string, cause?: unknown): ConfigurationError => unusable(file, content, what, cause)
  const text = (await readSmallFile(file, largestFile, say)).trim()
  if (text === '') throw unusable(file, content, 'is empty')
  if (!content.shape.test(text)) throw unusable(file, content, `holds something else than ${content.kind}`)
  return new Secret(text)
}

function unusable(
  file: string,
  { name }: TokenFileContent,
  what: string,
  cause?: unknown,
): ConfigurationError {
  return new ConfigurationError('key_file_unreadable', `the ${name} file ${file} ${what}`, {
    file,
    cause,
    advice:
      'See whether what renews it is at work, and that this user may read it; then it goes on by itself.',
  })
}
