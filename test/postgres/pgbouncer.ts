import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { type Installed, installed, works } from '../interop/debian-packages.ts'
import { user } from './binaries.ts'
import { freePort } from './server.ts'

/** Debian's PgBouncer, or why there is none. */
export const pgBouncerHere = (): Promise<Installed<string>> =>
  installed(['pgbouncer'], async () => ((await works('pgbouncer', '--version')) ? 'pgbouncer' : undefined))

export interface PgBouncer {
  readonly port: number
  close(): Promise<void>
}

/** Starts it in transaction mode before a server, with few connections to it, as it comes but for that. */
export async function startPgBouncer(serverPort: number): Promise<PgBouncer> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'evertoken-pgbouncer-'))
  const users = path.join(folder, 'users.txt')
  writeFileSync(users, '"postgres" ""\n')
  for (;;) {
    const port = await freePort()
    const settings = path.join(folder, 'pgbouncer.ini')
    writeFileSync(
      settings,
      `[databases]
* = host=127.0.0.1 port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = trust
auth_file = ${users}
pool_mode = transaction
default_pool_size = 3
`,
    )
    if (user.uid !== undefined) spawnSync('chown', ['-R', `${user.uid}:${user.gid}`, folder])
    const child = spawn('pgbouncer', [settings], { ...user, cwd: folder, stdio: 'ignore' })
    // Somebody may have taken the port in between.
    if (!(await answers(child, port))) continue
    return {
      port,
      async close() {
        const gone = new Promise((resolve) => child.once('exit', resolve))
        child.kill('SIGQUIT')
        await gone
        rmSync(folder, { recursive: true, force: true })
      },
    }
  }
}

async function answers(child: ChildProcess, port: number): Promise<boolean> {
  const gone = new Promise<false>((resolve) => {
    child.once('exit', () => resolve(false))
    child.once('error', () => resolve(false))
  })
  const there = (async () => {
    while (child.exitCode === null && child.signalCode === null) {
      if (await accepts(port)) return true
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return false
  })()
  return Promise.race([gone, there])
}

const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
