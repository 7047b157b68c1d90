import { ConfigurationError } from '../errors.ts'

/**
 * The text of a file that somebody else keeps fresh, as it is now.
 *
 * @param file a whole path.
 * @param most bytes; whatever is larger is another file.
 * @param unusable makes the error, of what is wrong with the file.
 * @throws ConfigurationError that `unusable` made.
 */
export async function readSmallFile(
  file: string,
  most: number,
  unusable: (what: string, cause?: unknown) => ConfigurationError,
): Promise<string> {
  // Not imported as a file would be: that fails when there is no descriptor left, and browsers have none at all.
  const { open, stat } = process.getBuiltinModule('node:fs/promises')
  let bytes: Uint8Array
  try {
    // A pipe would be waited for, and a device never ends.
    if (!(await stat(file)).isFile()) throw unusable('is no file')
    const opened = await open(file, 'r')
    try {
      bytes = await upTo(most + 1, opened)
    } finally {
      await opened.close()
    }
  } catch (cause) {
    throw cause instanceof ConfigurationError ? cause : unusable(`cannot be read (${codeOf(cause)})`, cause)
  }
  if (bytes.length > most) throw unusable(`is larger than ${most / 1024} KiB`)
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

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
