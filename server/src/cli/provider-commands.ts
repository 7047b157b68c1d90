import { type Command, Option } from 'commander'
import type { Environment } from './environment.ts'
import { collected, countOf, durationOf, pairs, portOf } from './flag-values.ts'
import type { ProviderCheckOptions } from './provider-check.ts'
import type { ProviderListOptions } from './provider-list.ts'
import type { ProviderProbeOptions } from './provider-probe.ts'
import type { ProviderShowOptions } from './provider-show.ts'

/** The commands on profiles of providers. They open no store and know no grant, but for the probe, which must not harm any. */
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
  $ evertoken provider check ./acme.yaml --online
  $ evertoken provider probe acme-sandbox`,
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

  provider
    .command('probe')
    .description('measure what a provider does with a used refresh token, on sandbox logins that this ends')
    .argument('<client>', 'a client of evertoken.yaml that has no logins in use')
    .option('--config <file>', 'an evertoken.yaml; default: the nearest one')
    .option('--scope <scope>', 'what the logins ask for; may be repeated', collected)
    .option('--resource <uri>', 'resource indicator of the logins (RFC 8707); may be repeated', collected)
    .option('--authorization-parameter <name=value>', 'of the authorization request: prompt=consent', pairs)
    .option('--port <port>', 'port of the redirect URI http://127.0.0.1:PORT/callback; default: any', portOf)
    .option('--paste', 'the browser is on another machine: paste the address at which it ends')
    .addOption(new Option('--device', 'type a code on any device (RFC 8628)').conflicts(['paste', 'port']))
    .option('--no-open', 'print the links and open no browser')
    .addOption(
      new Option(
        '--refresh-tokens-file <file>',
        'refresh tokens of logins made elsewhere, one a line, in place of consents; mode 0600',
      ).conflicts(['paste', 'port', 'device']),
    )
    .option('--longest-window <duration>', 'how long a reuse window is searched; default: 120s', durationOf)
    .option('--precision <duration>', 'how exactly its end is searched; default: 1s', durationOf)
    .option('--most-logins <count>', 'how many logins may be spent; default: 16', countOf)
    .option('--keep', 'revoke nothing: what is left of the logins lives on')
    .option('--output <file>', 'where the lines of the profile go; default: stdout')
    .option('--yes', 'do not ask')
    .option('--json', 'for programs')
    .addHelpText(
      'after',
      '\nExamples:\n  $ evertoken provider probe acme-sandbox --scope offline_access --output measured.yaml\n  $ evertoken provider probe acme-sandbox --refresh-tokens-file tokens.txt --yes --json',
    )
    .action(async (client: string, options: ProviderProbeOptions) =>
      (await import('./provider-probe.ts')).probeProvider(client, options, environment),
    )
}
