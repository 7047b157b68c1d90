import { quickToken } from './quick-token.ts'

const args = process.argv.slice(2)

/** All but the quick way loads here: what a command needs only when there is one. */
async function command(): Promise<number> {
  const [{ Interruption, processEnvironment }, { systemClock }, { run }] = await Promise.all([
    import('./environment.ts'),
    import('evertoken'),
    import('./program.ts'),
  ])
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
  return run(args, processEnvironment(interruption.signal, systemClock))
}

if (!(await quickToken(args))) {
  process.exitCode = await command()
  // A terminal or pipe that was read from would keep a finished command waiting.
  process.stdin.unref?.()
}
