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
    process.once(signal, () => {
      interruption.abort(new Interruption(signal))
      setTimeout(tellWhatTakesTime, secondThoughts).unref()
    })
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // Whoever read has seen enough (`evertoken list | head -1`).
      if (error.code === 'EPIPE') process.exit(128 + 13)
      throw error
    })
  return run(args, processEnvironment(interruption.signal, systemClock))
}

/** Milliseconds after which whoever pressed Ctrl-C wonders. */
const secondThoughts = 1_000

/** An answer that is on its way is waited for, since it may be the only one. */
function tellWhatTakesTime(): void {
  if (process.stderr.isTTY)
    process.stderr.write('evertoken: a request under way is finished first; Ctrl-C again ends it at once\n')
}

if (!(await quickToken(args))) {
  process.exitCode = await command()
  // A terminal or pipe that was read from would keep a finished command waiting.
  process.stdin.unref?.()
}
