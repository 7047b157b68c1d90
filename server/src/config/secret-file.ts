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
  const text = options[name]
  const file = options[`${name}_file`]
  if (text !== undefined && file !== undefined)
    throw fault(written, [...place, `${name}_file`], `${name} is given as well`, {
      advice: 'Keep one of the two.',
    })
  if (typeof text === 'string') return new Secret(text)
  if (typeof file !== 'string' || written.folder === undefined) return undefined
  return fileSecret(path.resolve(written.folder, file), written, [...place, `${name}_file`])
}

export function fileSecret(file: string, written: Written, place: Path): Secret {
  try {
    return readKeyFile(file)
  } catch (error) {
    if (!(error instanceof EvertokenError)) throw error
    throw fault(written, place, error.message, { code: error.code, advice: error.advice, cause: error.cause })
  }
}
