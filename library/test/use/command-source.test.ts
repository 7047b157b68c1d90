import { describe, expect, test } from 'vitest'
import { type CommandSourceOptions, commandSource } from '../../src/use/command-source.ts'
import { ControlledClock } from '../grants/controlled-clock.ts'

/** A command that runs this program on Node. */
const program = (code: string, ...args: string[]): string[] => [process.execPath, '-e', code, ...args]
const printing = (text: string): string[] => program('process.stdout.write(process.argv[1])', text)

const read = (argv: readonly string[], options: CommandSourceOptions = {}) => {
  const clock = new ControlledClock()
  return commandSource(argv, { clock, ...options }).getToken()
}

describe('a command', () => {
  test.each<[string, string, CommandSourceOptions, object]>([
    ['one line', 'abc\n', {}, { value: 'abc', expiresAt: 1_800_003_300_000 }],
    ['one line with a lifetime of its own', 'abc', { assumedLifetime: 60 }, { expiresAt: 1_800_000_060_000 }],
    [
      'a token response',
      '{"access_token":"abc","token_type":"DPoP","expires_in":60}',
      {},
      { value: 'abc', type: 'DPoP', expiresAt: 1_800_000_060_000 },
    ],
    [
      'seconds since 1970',
      '{"accessToken":"abc","expires_on":1800000060}',
      {},
      { expiresAt: 1_800_000_060_000 },
    ],
    [
      'a token response in camel case',
      '{"accessToken":"abc","tokenType":"MAC","expiresIn":60}',
      {},
      { value: 'abc', type: 'MAC', expiresAt: 1_800_000_060_000 },
    ],
    [
      'a moment with underscores',
      '{"token":"abc","token_type":5,"expires_at":"2027-01-15T08:01:00Z"}',
      {},
      { type: 'Bearer', expiresAt: 1_800_000_060_000 },
    ],
    [
      'a moment in camel case',
      '{"token":"abc","expiresAt":"2027-01-15T08:01:00Z"}',
      {},
      { expiresAt: 1_800_000_060_000 },
    ],
    [
      'an exec credential',
      '{"status":{"token":"abc","expirationTimestamp":"2027-01-15T08:01:00Z"}}',
      {},
      { value: 'abc', expiresAt: 1_800_000_060_000 },
    ],
    [
      'JSON of another shape',
      '{"data":{"token":"abc","token_ttl":60},"token":"not this"}',
      { accessToken: '/data/token', expiry: '/data/token_ttl' },
      { value: 'abc', expiresAt: 1_800_000_060_000 },
    ],
    [
      'an expiry in ms',
      '{"token":"abc","until":1800000060000}',
      { expiry: '/until', expiryFormat: 'epoch_ms' },
      { expiresAt: 1_800_000_060_000 },
    ],
  ])('may print %s', async (_name, text, options, expected) => {
    expect(await read(printing(text), options)).toMatchObject(expected)
  })

  test('gets its arguments as they are, from no shell', async () => {
    const argv = program(
      'process.stdout.write(process.argv.length + process.argv[1].length + "x")',
      '$(id) `id` ; id',
    )
    expect((await read(argv)).value).toBe('17x')
  })

  test('runs where it is told to, and nobody answers what it asks', async () => {
    const asking = 'process.stdin.on("end", () => process.stdout.write(process.cwd())).resume()'
    expect((await read(program(asking), { cwd: '/' })).value).toBe('/')
  })

  test('goes by the clock of the machine unless it is given another', async () => {
    const before = Date.now()
    const { expiresAt } = await commandSource(printing('{"token":"abc","expires_in":60}')).getToken()
    expect(expiresAt).toBeGreaterThanOrEqual(before + 60_000)
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 60_000)
  })

  test('runs once for all who wait, and again ahead of expiry', async () => {
    const clock = new ControlledClock()
    const source = commandSource(program('process.stdout.write(String(process.pid))'), {
      clock,
      assumedLifetime: 600,
    })
    const tokens = await Promise.all([source.getToken(), source.getToken(), source.getToken()])
    expect(new Set(tokens).size).toBe(1)
    await clock.advance(599_999)
    const next = await clock.until(source.getToken())
    expect(next.value).not.toBe(tokens[0]?.value)
    expect(next.generation).toBe(2)
  })

  const secret = 'very-secret-text'
  test.each<[string, string[], CommandSourceOptions, string]>([
    [
      'fails',
      program(`console.log('${secret}'); console.error('${secret}'); process.exit(3)`),
      {},
      'ended with code 3',
    ],
    ['is not there', ['/no/such/program', secret], {}, 'cannot be run (ENOENT)'],
    ['prints nothing', printing(''), {}, 'prints no token'],
    ['prints a sentence', printing(`please log in ${secret}`), {}, 'prints no token'],
    ['prints half of JSON', printing(`{"token":"${secret}"`), {}, 'prints something that begins like JSON'],
    ['prints JSON without a token', printing(`{"secret":"${secret}"}`), {}, 'prints JSON without a token'],
    [
      'prints JSON with an empty one',
      printing(`{"token":"","of":"${secret}"}`),
      {},
      'prints JSON without a token',
    ],
    ['prints too much', program(`process.stdout.write('x'.repeat(200000))`), {}, 'prints more than 64 KiB'],
    [
      'takes too long',
      program('setInterval(() => {}, 1000)'),
      { deadline: 0.1995 },
      'was not done within 0.2 s',
    ],
    [
      'will not end when it is asked to',
      program('process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'),
      { deadline: 1 },
      'was not done within 1 s',
    ],
    ['ends itself', program('process.kill(process.pid, "SIGTERM")'), {}, 'was ended by SIGTERM'],
  ])('that %s is told of, without what it said', async (_name, argv, options, said) => {
    const error = await read(argv, options).catch((failure: unknown) => failure as Error)
    expect(error).toMatchObject({ code: 'token_unavailable', advice: expect.stringContaining('by hand') })
    expect((error as Error).message).toContain(`the command ${argv[0]} ${said}`)
    expect(`${(error as Error).message}${(error as Error).stack}`).not.toContain(secret)
  })

  test.each([[[]], [''], ['vault read'], [[1]], [['']]])('is no %j', (argv) => {
    expect(() => commandSource(argv as string[])).toThrow(TypeError)
  })

  test('with a deadline that is none is refused', () => {
    expect(() => commandSource(['x'], { deadline: 0 })).toThrow('deadline must be more than 0 seconds')
  })
})
