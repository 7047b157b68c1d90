// A login as a JSON file, written as carefully as a file can be: whole or not at all, and on the disk before it is seen.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** A token answer (RFC 6749 section 5.1) with its expiry. */
export interface StoredLogin {
  readonly access_token: string
  readonly refresh_token: string
  /** UTC seconds. */
  readonly expires_at: number
}

export const readLogin = (file: string): StoredLogin => JSON.parse(readFileSync(file, 'utf8')) as StoredLogin

export function writeLogin(file: string, login: StoredLogin): void {
  const fresh = `${file}.${process.pid}`
  const descriptor = openSync(fresh, 'w', 0o600)
  writeFileSync(descriptor, JSON.stringify(login))
  fsyncSync(descriptor)
  closeSync(descriptor)
  renameSync(fresh, file)
  const folder = openSync(dirname(file), 'r')
  fsyncSync(folder)
  closeSync(folder)
}
