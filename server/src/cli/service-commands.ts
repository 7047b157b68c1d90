import type { Command } from 'commander'
import type { Environment } from './environment.ts'
import { durationOf, portOf, secondsOf } from './flag-values.ts'
import type { ServeOptions } from './options.ts'
import type { PracticeServerFlags } from './practice-server.ts'
import type { WorkerOptions } from './worker.ts'

const data = ['--data <dir>', 'the data folder'] as const
const config = ['--config <file>', 'an evertoken.yaml; default: the nearest one, if there is one'] as const
const listen = [
  '--listen <host:port>',
  'where the broker listens; default: as the configuration says',
] as const

/** The commands that keep running. */
export function registerServiceCommands(program: Command, environment: Environment): void {
  program
    .command('demo')
    .description('the same work with and without evertoken, side by side, in a minute')
    .addHelpText('after', '\nExample:\n  $ evertoken demo')
    .action(async () => (await import('./demo.ts')).demo(environment))

  program
    .command('start')
    .description('serve this folder: its evertoken.yaml, or a practice set-up where there is none')
    .option(...data)
    .option(...config)
    .option(...listen)
    .addHelpText('after', '\nExample:\n  $ evertoken start')
    .action(async (options: ServeOptions) => (await import('./start.ts')).start(options, environment))

  program
    .command('serve')
    .description('run broker and worker until a signal ends them')
    .option(...data)
    .option(...config)
    .option(...listen)
    .addHelpText(
      'after',
      '\nExample:\n  $ evertoken serve --listen 127.0.0.1:7420\n\nOAuth clients find a token endpoint at /oauth/token: the secret is an API key, the id is the one in it, the scope grant:NAME.',
    )
    .action(async (options: ServeOptions) => (await import('./serve.ts')).serve(options, environment))

  program
    .command('worker')
    .description('refresh what is due in the local store, without a broker')
    .option(...data)
    .option('--once', 'refresh what is due now, then end')
    .option('--for <duration>', 'end after this time: 90s, 15m, 2h', durationOf)
    .addHelpText('after', '\nExamples:\n  $ evertoken worker --once\n  $ evertoken worker --for 2h')
    .action(async (options: WorkerOptions) => (await import('./worker.ts')).worker(options, environment))

  program
    .command('practice-server')
    .description('run an authorization server to practise with; it guards nothing')
    .option('--port <port>', 'where it listens on 127.0.0.1; default: a free port', portOf)
    .option(
      '--rotation <kind>',
      'a used refresh token: strict, none, idempotent, last_child_wins or fork; default: strict',
    )
    .option('--reuse-window <seconds>', 'how long the last three forgive its use; default: 30', secondsOf)
    .option('--old-token-dies', 'a new access token ends the one before at once')
    .option('--dpop-nonce', 'every DPoP proof must hold a nonce of the server (RFC 9449 section 8)')
    .option('--state <file>', 'a journal that survives it; default: memory only')
    .option('--truth <file>', 'a log of what truly happened, one JSON object a line; default: memory only')
    .option('--recorded <file>', 'requests and answers of a provider with ways of its own, a list as JSON')
    .option('--access-token-lifetime <seconds>', 'default: 300', secondsOf)
    .option('--json', 'for programs: one line of JSON once it listens')
    .addHelpText(
      'after',
      '\nExample:\n  $ evertoken practice-server --port 8080 --rotation last_child_wins --reuse-window 60',
    )
    .action(async (options: PracticeServerFlags) =>
      (await import('./practice-server.ts')).practiceServer(options, environment),
    )
}
