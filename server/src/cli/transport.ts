import { loggedTransport, nodeTransport, type Transport } from 'evertoken'
import type { Environment } from './environment.ts'

/** The transport to providers; with EVERTOKEN_LOG=wire it tells what it does, without secrets. */
export function transportOf({ env, stderr }: Pick<Environment, 'env' | 'stderr'>): Transport {
  const transport = nodeTransport()
  return env.EVERTOKEN_LOG === 'wire'
    ? loggedTransport(transport, (line) => stderr.write(`${line}\n`))
    : transport
}
