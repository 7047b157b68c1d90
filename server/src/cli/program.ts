import { Command } from 'commander'
import type { Environment } from './environment.ts'

/** Runs one command line and resolves with the exit code. */
export async function run(args: readonly string[], environment: Environment): Promise<number> {
  const program = new Command('evertoken')
  program.command('serve').action(async (options) => {
    await (await import('./serve.ts')).serve(options, environment)
  })
  program.command('start').action(async (options) => {
    await (await import('./start.ts')).start(options, environment)
  })
  program.command('demo').action(async (options) => {
    await (await import('./demo.ts')).demo(options, environment)
  })
  await program.parseAsync([...args], { from: 'user' })
  return 0
}
