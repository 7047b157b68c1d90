import { ConfigurationError } from '../errors.ts'
import { Secret } from '../secret.ts'

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
  const text = (await read(file)).trim()
  if (text === '') throw unusable(file, 'is empty')
  if (!signedJwt.test(text)) throw unusable(file, 'holds something else than one signed JWT')
  return new Secret(text)
}

async function read(file: string): Promise<string> {
  // Not imported as a file would be: that fails when there is no descriptor left, and browsers have none at all.
  const { open, stat } = process.getBuiltinModule('node:fs/promises')
  let bytes: Uint8Array
  try {
    // A pipe would be waited for, and a device never ends.
    if (!(await stat(file)).isFile()) throw unusable(file, 'is no file')
    const opened = await open(file, 'r')
    try {
      bytes = await upTo(largestFile + 1, opened)
    } finally {
      await opened.close()
    }
  } catch (cause) {
    throw cause instanceof ConfigurationError
      ? cause
      : unusable(file, `cannot be read (${codeOf(cause)})`, cause)
  }
  if (bytes.length > largestFile) throw unusable(file, `is larger than ${largestFile / 1024} KiB`)
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

function unusable(file: string, what: string, cause?: unknown): ConfigurationError {
  return new ConfigurationError('key_file_unreadable', `the client assertion file ${file} ${what}`, {
    file,
    cause,
    advice:
      'See whether what renews it is at work, and that this user may read it; then it goes on by itself.',
  })
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
