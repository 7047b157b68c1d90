import { errorCodes } from 'evertoken'
import { describe, expect, test } from 'vitest'
import { exitCodeOf, exitCodes } from '../../src/cli/exit-code.ts'
import { evertoken } from './command.ts'

const commands = [
  ...['demo', 'start', 'serve', 'worker', 'add', 'replace', 'login', 'token'],
  ...[
    'list',
    'show',
    'refresh',
    'pause',
    'resume',
    'validate',
    'revoke',
    'notices',
    'remove',
    'adopt',
    'spool',
    'provider',
  ],
]

// It ended in a stack of Node's: no built-in module node:sqlite.
test.each([
  ['24.15.0', 0],
  ['26.0.0', 0],
  ['24.14.9', 1],
  ['22.20.0', 1],
])('on Node %s the command ends with %d, and says which one it needs', async (node, exit) => {
  const older = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${node}' } })`
  const env = { NODE_OPTIONS: `--import "data:text/javascript,${encodeURIComponent(older)}"` }
  const { code, stderr } = await evertoken(['--version'], { env })
  expect({ code, stderr }).toEqual({
    code: exit,
    stderr: exit === 0 ? '' : `evertoken: the command needs Node 24.15 or newer, and this is Node ${node}.\n`,
  })
})

describe('the command', () => {
  test('lists every command and the exit codes', async () => {
    const { code, stdout } = await evertoken(['--help'])
    expect(code).toBe(0)
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
    for (const meaning of Object.values(exitCodes)) expect(stdout).toContain(meaning)
  })

  test.each(commands)('%s --help has an example that begins with the command', async (command) => {
    const { code, stdout, stderr } = await evertoken([command, '--help'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(new RegExp(`\nExamples?:\n[\\s\\S]*evertoken ${command}`))
  })

  test('says its version', async () => {
    const { code, stdout } = await evertoken(['--version'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  })

  test.each([
    [['tokn', 'x'], 'unknown command tokn', 'Did you mean token?'],
    [['list', '--jsn'], 'unknown option --jsn', 'Did you mean --json?'],
    [['token'], 'missing required argument', 'evertoken token --help'],
    [['token', 'a', 'b'], 'too many arguments', 'evertoken token --help'],
    [['token', 'a', '--min-ttl', 'soon'], '--min-ttl', 'number of seconds'],
    [['notices', '--after', '-1'], '--after', 'whole number'],
    [['spool', 'retire'], 'missing required argument', 'evertoken spool --help'],
    [['worker', '--for', 'ever'], '--for', 'duration'],
    [['add', 'x', '--type', 'magic'], '--type', 'client_credentials'],
    [['add', 'x', '--label', 'team'], '--label', 'NAME=VALUE'],
    [[], 'no command', 'evertoken --help'],
    [['provider'], 'no command', 'evertoken provider --help'],
  ])('%j is an error of usage that says what was meant', async (args, what, meant) => {
    const { code, stdout, stderr } = await evertoken(args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain(what)
    expect(stderr).toContain(meant)
    expect(stderr).toContain('(usage)')
  })

  test('says it to programs with --json', async () => {
    const { code, stdout, stderr } = await evertoken(['list', '--json', '--nonsense'])
    expect({ code, stderr }).toEqual({ code: 2, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({
      error: { code: 'usage', message: 'unknown option --nonsense', advice: expect.any(String) },
    })
  })

  test('shows a stack only when asked', async () => {
    const quiet = await evertoken(['show', 'x', '--data', '/proc/nowhere'])
    const asked = await evertoken(['show', 'x', '--data', '/proc/nowhere'], { env: { EVERTOKEN_DEBUG: '1' } })
    expect(quiet.stderr).not.toMatch(/\n\s+at /)
    expect(asked.stderr).toMatch(/\n\s+at /)
  })
})

test('every error code has an exit code that is documented', () => {
  for (const code of errorCodes) expect(exitCodes).toHaveProperty(String(exitCodeOf(code)))
  expect(exitCodeOf('a_code_of_the_future')).toBe(1)
})
