import type { Command } from 'commander'
import type { AdoptOptions } from './adopt.ts'
import type { Environment } from './environment.ts'
import type { RetireOptions, SpoolOptions } from './spool.ts'

/** The commands on a store as a whole, for whoever operates it. */
export function registerStoreCommands(program: Command, environment: Environment): void {
  onStore(program.command('adopt'))
    .description('go on with a store that is a copy: restored from a backup, or cloned')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      `
A store that finds itself copied sends nothing, since the other copy may be at work with the same refresh tokens. It
serves what it holds until that expires. Adopting it says that the other copy has ended for good: refresh tokens that
rotate are then probed, or waited for, before they are sent.

Example:
  $ evertoken adopt --data /var/lib/evertoken`,
    )
    .action(async (options: AdoptOptions) => (await import('./adopt.ts')).adopt(options, environment))

  const spool = program
    .command('spool')
    .description('what hosts hold of answers that the store does not have yet')
    .addHelpText(
      'after',
      `
Answers of providers are written on the host that got them before the store has them. A refresh whose host is away is
waited for, because its answer may be there.

Examples:
  $ evertoken spool list
  $ evertoken spool retire 0b9c2f4e-7a8e-4c8c-9d55-0e1f1f0a7f3b`,
    )
  onStore(spool.command('list'))
    .description('the spools, and how many grants wait for what may be in each')
    .addHelpText('after', '\nExample:\n  $ evertoken spool list --json')
    .action(async (options: SpoolOptions) => (await import('./spool.ts')).listSpools(options, environment))
  onStore(spool.command('retire'))
    .description('say that the host of a spool never comes back: nothing waits for it any more')
    .argument('<id>', 'of the spool')
    .option('--yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  $ evertoken spool retire 0b9c2f4e-7a8e-4c8c-9d55-0e1f1f0a7f3b --yes')
    .action(async (id: string, options: RetireOptions) =>
      (await import('./spool.ts')).retireSpool(id, options, environment),
    )
}

const onStore = (command: Command): Command =>
  command.option('--data <dir>', 'the data folder').option('--json', 'for programs')
