import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { EvertokenError } from 'evertoken'
import type { Environment } from './environment.ts'
import { reportError } from './error-report.ts'
import { exitCodes } from './exit-code.ts'
import { registerGrantCommands } from './grant-commands.ts'
import { registerProviderCommands } from './provider-commands.ts'
import { registerServiceCommands } from './service-commands.ts'
import { registerStoreCommands } from './store-commands.ts'

/** Runs one command line and resolves with the exit code. */
export async function run(args: readonly string[], environment: Environment): Promise<number> {
  const json = args.includes('--json')
  try {
    await programFor(environment).parseAsync([...args], { from: 'user' })
    return 0
  } catch (error) {
    const failure = error instanceof CommanderError ? misuse(error, args) : error
    return failure === undefined ? 0 : reportError(failure, json, environment)
  }
}

function programFor(environment: Environment): Command {
  const program = new Command('evertoken')
    .description('Keeps OAuth 2 access tokens alive.')
    .usage('COMMAND [options]')
    .version(version(), '-V, --version', 'the version')
    .helpOption('-h, --help', 'this help')
    .helpCommand('help [command]', 'the help of a command')
    .addHelpText('after', () => afterwords)
  program
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void environment.stdout.write(text),
      // Errors are rendered in one place, whatever they come from.
      writeErr: () => undefined,
    })
    .configureHelp({ sortSubcommands: false })
  registerServiceCommands(program, environment)
  registerGrantCommands(program, environment)
  registerProviderCommands(program, environment)
  registerStoreCommands(program, environment)
  return program
}

/** What commander says as an error of ours; undefined when help or the version was asked for. */
function misuse(
  { code, message, exitCode }: CommanderError,
  args: readonly string[],
): EvertokenError | undefined {
  if (exitCode === 0) return undefined
  const [, said = message, meant] =
    /^(?:error: )?([\s\S]*?)(?:\s*\((Did you mean [\s\S]*)\))?$/.exec(message) ?? []
  const command = args.find((arg) => !arg.startsWith('-'))
  const known = code !== 'commander.unknownCommand' && command !== undefined
  if (code === 'commander.help')
    return new EvertokenError('usage', 'no command is given', {
      advice: `evertoken ${known ? `${command} ` : ''}--help lists them.`,
    })
  return new EvertokenError('usage', said.replaceAll("'", '').trim(), {
    advice: meant ?? `evertoken ${known ? `${command} ` : ''}--help shows what there is.`,
  })
}

const version = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
    .version

const afterwords = `
Where the data is: --data DIR, EVERTOKEN_DATA, the nearest evertoken.yaml or .evertoken/ from here upward, then your
user's data folder. --broker URL or EVERTOKEN_BROKER: at a broker instead, with a key from --key-file,
EVERTOKEN_KEY_FILE or EVERTOKEN_KEY.

Exit codes:
${Object.entries(exitCodes)
  .map(([code, meaning]) => `  ${code}  ${meaning}`)
  .join('\n')}
  128 + n  ended by signal n

Example:
  $ evertoken add billing
  $ curl -H "Authorization: Bearer $(evertoken token billing)" https://api.example.com/invoices
`
