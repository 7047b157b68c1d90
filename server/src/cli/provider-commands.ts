import type { Command } from 'commander'
import type { Environment } from './environment.ts'
import type { ProviderCheckOptions } from './provider-check.ts'
import type { ProviderListOptions } from './provider-list.ts'
import type { ProviderShowOptions } from './provider-show.ts'

/** The commands on profiles of providers. They open no store and know no grant. */
export function registerProviderCommands(program: Command, environment: Environment): void {
  const provider = program
    .command('provider')
    .description('what is known of providers: the catalogue, and profiles of your own')
    .addHelpText(
      'after',
      `
A provider is data: where it is, what it wants to hear, how it answers. \`provider: ID\` of a client in evertoken.yaml names
one of the catalogue; a profile of your own may stand there whole, extend one, or be a file.

Examples:
  $ evertoken provider list
  $ evertoken provider show google
  $ evertoken provider check ./acme.yaml --online`,
    )

  provider
    .command('list')
    .description('what is known: id, name, whether refresh tokens rotate, how sure that is')
    .argument('[text]', 'only those with it in their id or name')
    .option('--json', 'for programs')
    .addHelpText('after', '\nExample:\n  $ evertoken provider list goo')
    .action(async (text: string | undefined, options: ProviderListOptions) =>
      (await import('./provider-list.ts')).listProviders(text, options, environment),
    )

  provider
    .command('show')
    .description('everything about one: endpoints, how to register a client, traps, lifetimes, oddities')
    .argument('<name>', 'its id, of the nearest evertoken.yaml or the catalogue, or a file')
    .option('--yaml', 'the profile itself, to paste into evertoken.yaml or a file')
    .option('--json', 'the same as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ evertoken provider show google\n  $ evertoken provider show google --yaml > google.yaml',
    )
    .action(async (name: string, options: ProviderShowOptions) =>
      (await import('./provider-show.ts')).showProvider(name, options, environment),
    )

  provider
    .command('check')
    .description('whether a profile is sound; --online: whether its addresses answer')
    .argument('<name>', 'a file with a profile, an evertoken.yaml for all it has, or an id as for show')
    .option('--online', 'ask each address, without any secret, and compare with what the issuer publishes')
    .option('--private-network', 'with --online, addresses may be in a network of your own')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  $ evertoken provider check ./acme.yaml\n  $ evertoken provider check google --online',
    )
    .action(async (name: string, options: ProviderCheckOptions) =>
      (await import('./provider-check.ts')).checkProvider(name, options, environment),
    )
}
