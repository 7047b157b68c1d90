import path from 'node:path'
import { EvertokenError, Secret } from 'evertoken'
import { readKeyFile } from 'evertoken/sqlite'
import { fault, type Origin, type Path } from './origin.ts'

/** Where options were written, and from where the files they name count. */
export interface Written extends Origin {
  /** Folder; without one no file is read. */
  readonly folder?: string | undefined
}

/** A secret given as `name`, or as `name_file`: a file that nobody else may read. Undefined when it is given as neither. */
export function givenSecret(
  options: Readonly<Record<string, unknown>>,
  name: string,
  written: Written,
  place: Path,
): Secret | undefined {
  const file = namedFile(options, name, written, place)
  const text = options[name]
  if (typeof text === 'string') return new Secret(text)
  return file === undefined ? undefined : fileSecret(file, written, [...place, `${name}_file`])
}

/** The same where two may be given: as a list, or on two lines of the file. */
export function givenSecrets(
  options: Readonly<Record<string, unknown>>,
  name: string,
  written: Written,
  place: Path,
): Secret | readonly Secret[] | undefined {
  const list = options[name]
  if (!Array.isArray(list)) {
    const secret = givenSecret(options, name, written, place)
    return list === undefined && secret !== undefined ? secretLines(secret) : secret
  }
  namedFile(options, name, written, place)
  return list.map((text: string) => new Secret(text))
}

function namedFile(
  options: Readonly<Record<string, unknown>>,
  name: string,
  written: Written,
  place: Path,
): string | undefined {
  const file = options[`${name}_file`]
  if (options[name] !== undefined && file !== undefined)
    throw fault(written, [...place, `${name}_file`], `${name} is given as well`, {
      advice: 'Keep one of the two.',
    })
  return typeof file !== 'string' || written.folder === undefined
    ? undefined
    : path.resolve(written.folder, file)
}

/**
 * What a file of client secrets holds: one secret a line, and one as itself. Lines of one file and not a list of files, so
 * that a rotation is one file replaced and no configuration touched; a client secret has no line break in it (RFC 6749
 * appendix A.2).
 */
export function secretLines(secret: Secret): Secret | readonly Secret[] {
  const lines = secret
    .reveal()
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '')
  return lines.length === 1 ? secret : lines.map((line) => new Secret(line))
}

export function fileSecret(file: string, written: Written, place: Path): Secret {
  try {
    return readKeyFile(file)
  } catch (error) {
    if (!(error instanceof EvertokenError)) throw error
    throw fault(written, place, error.message, { code: error.code, advice: error.advice, cause: error.cause })
  }
}
