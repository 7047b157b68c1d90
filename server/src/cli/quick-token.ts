import { existsSync, fstatSync, writeSync } from 'node:fs'
import { homedir } from 'node:os'
import { heldToken } from 'evertoken/sqlite/held-token'
import { findPlace } from './place.ts'

/** A pipe takes this much at once or not at all (POSIX PIPE_BUF). */
const atOnce = 4096

/**
 * `evertoken token NAME` from a local store into a pipe, when the token there is good: it stands in front of every request
 * of somebody's shell script, so nothing is loaded that this does not need. False leaves everything else, and
 * every word about it, to the command proper.
 */
export async function quickToken([command, ...args]: readonly string[]): Promise<boolean> {
  if (command !== 'token') return false
  const asked = quickRequest(args)
  const { env, platform } = process
  if (asked === undefined || (asked.data === undefined && env.EVERTOKEN_BROKER)) return false
  try {
    // A terminal is a character device. Asking the terminal itself would load node:tty, and with it node:net.
    if (fstatSync(1).isCharacterDevice()) return false
    const here = { env, cwd: process.cwd(), home: homedir(), platform }
    const { store, keys } = await findPlace({ data: asked.data }, here)
    if (store.kind !== 'sqlite' || !existsSync(store.file)) return false
    const token = heldToken(store.file, keys, asked.id, { minTtl: asked.minTtl }, Date.now())
    if (token === undefined || token.value.length >= atOnce) return false
    writeSync(1, `${token.value}\n`)
    return true
  } catch {
    return false
  }
}

/** NAME, `--min-ttl` and `--data` are what scripts say; whatever else there is has time. */
function quickRequest(args: readonly string[]): { id: string; minTtl: number; data?: string } | undefined {
  let id: string | undefined
  let minTtl = 0
  let data: string | undefined
  for (let at = 0; at < args.length; at++) {
    const arg = args[at] ?? ''
    if (arg === '--min-ttl') minTtl = Number(args[++at] || Number.NaN)
    else if (arg === '--data') data = args[++at] || undefined
    else if (arg.startsWith('-') || id !== undefined) return undefined
    else id = arg
    if (arg === '--data' && data === undefined) return undefined
  }
  if (id === undefined || !(minTtl >= 0)) return undefined
  return data === undefined ? { id, minTtl } : { id, minTtl, data }
}
