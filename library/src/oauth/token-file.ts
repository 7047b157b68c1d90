import { ConfigurationError } from '../errors.ts'
import { Secret } from '../secret.ts'

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
  const text = (await read(file, content)).trim()
  if (text === '') throw unusable(file, content, 'is empty')
  if (!content.shape.test(text)) throw unusable(file, content, `holds something else than ${content.kind}`)
  return new Secret(text)
}

async function read(file: string, content: TokenFileContent): Promise<string> {
  // Not imported as a file would be: that fails when there is no descriptor left, and browsers have none at all.
  const { open, stat } = process.getBuiltinModule('node:fs/promises')
  let bytes: Uint8Array
  try {
    // A pipe would be waited for, and a device never ends.
    if (!(await stat(file)).isFile()) throw unusable(file, content, 'is no file')
    const opened = await open(file, 'r')
    try {
      bytes = await upTo(largestFile + 1, opened)
    } finally {
      await opened.close()
    }
  } catch (cause) {
    throw cause instanceof ConfigurationError
      ? cause
      : unusable(file, content, `cannot be read (${codeOf(cause)})`, cause)
  }
  if (bytes.length > largestFile) throw unusable(file, content, `is larger than ${largestFile / 1024} KiB`)
  return new TextDecoder().decode(bytes)
}

interface Readable {
  read(into: Uint8Array, offset: number, length: number): Promise<{ readonly bytesRead: number }>
}

async function upTo(most: number, opened: Readable): Promise<Uint8Array> {
  const bytes = new Uint8Array(most)
  let length = 0
  for (let arrived = -1; arrived !== 0 && length < most; length += arrived)
    ({ bytesRead: arrived } = await opened.read(bytes, length, most - length))
  return bytes.subarray(0, length)
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

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
