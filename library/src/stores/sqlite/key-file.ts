import { randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { ConfigurationError, EvertokenError } from '../../errors.ts'
import { Secret } from '../../secret.ts'

/**
 * Reads a file that holds one secret and nothing else. Refuses one that others may read.
 *
 * @throws ConfigurationError `key_file_unreadable`, `key_file_too_open`, `empty_secret`.
 */
export function readKeyFile(file: string): Secret {
  let text: string
  let mode: number
  try {
    mode = statSync(file).mode
    text = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new ConfigurationError('key_file_unreadable', `the key file ${file} cannot be read`, {
      file,
      cause,
      advice: 'Check that it exists and that this user may read it.',
    })
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new ConfigurationError(
      'key_file_too_open',
      `the key file ${file} can be read by others (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`,
      { file, advice: `chmod 600 ${file}` },
    )
  if (text === '')
    throw new ConfigurationError('empty_secret', `the key file ${file} is empty`, {
      file,
      advice: 'Restore it from your backup.',
    })
  return new Secret(text)
}

/**
 * Writes a secret to a new file with mode 0600, durably; false when the file exists already.
 *
 * @throws EvertokenError `disk_full`; ConfigurationError `key_file_unreadable`.
 */
export function writeKeyFile(file: string, secret: Secret): boolean {
  try {
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
    return linked(file, secret)
  } catch (error) {
    throw unwritable(file, error)
  }
}

/** A link is made whole or not at all, so of several first starts one wins and all read the same key. */
function linked(file: string, secret: Secret): boolean {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  try {
    writeDraft(draft, secret)
    linkSync(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
}

function writeDraft(draft: string, secret: Secret): void {
  const descriptor = openSync(draft, 'wx', 0o600)
  try {
    writeSync(descriptor, `${secret.reveal()}\n`)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function unwritable(file: string, cause: unknown): EvertokenError {
  if ((cause as NodeJS.ErrnoException).code === 'ENOSPC')
    return new EvertokenError('disk_full', `the disk is full, and the key file ${file} cannot be written`, {
      cause,
      advice: 'Make room, and start again.',
    })
  return new ConfigurationError('key_file_unreadable', `the key file ${file} cannot be written`, {
    file,
    cause,
    advice: 'Check that this user may write into its folder, and that the disk is not mounted read-only.',
  })
}

/** 32 random bytes as base64url. */
export const newMasterKey = (): Secret => new Secret(randomBytes(32).toString('base64url'))
