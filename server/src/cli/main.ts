#!/usr/bin/env node
import { Interruption, processEnvironment, withClock } from './environment.ts'

const interruption = new AbortController()
// Once: a second signal ends the process as signals do.
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interruption.abort(new Interruption(signal)))
for (const stream of [process.stdout, process.stderr])
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // Whoever read has seen enough (`evertoken list | head -1`).
    if (error.code === 'EPIPE') process.exit(128 + 13)
    throw error
  })

const args = process.argv.slice(2)
const environment = processEnvironment(interruption.signal)

async function main(): Promise<number> {
  if (args[0] === 'token') {
    const { quickToken } = await import('./quick-token.ts')
    const code = await quickToken(args.slice(1), environment)
    if (code !== undefined) return code
  }
  const [{ systemClock }, { run }] = await Promise.all([import('evertoken'), import('./program.ts')])
  return run(args, withClock(environment, systemClock))
}

process.exitCode = await main()
// A terminal or pipe that was read from would keep a finished command waiting.
process.stdin.unref?.()
