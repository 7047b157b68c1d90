import { describe, expect, expectTypeOf, test } from 'vitest'
import { InvalidGrantError, ProviderError } from '../../src/errors.ts'
import type { TokenSource } from '../../src/grants/token.ts'
import { freshToken } from '../../src/use/decorators.ts'
import { presentToken, withFreshToken } from '../../src/use/with-fresh-token.ts'
import { numberedSource } from './numbered-source.ts'

const refused = (shape: object) => Object.assign(new Error('refused'), shape)

describe('a function with a fresh token', () => {
  test('runs with what it was given, and keeps its name, parameters and this', async () => {
    const { source } = numberedSource()
    async function page(this: { base: string }, number: number, token = presentToken()) {
      return `${this.base}${number} ${token.value}`
    }
    const fresh = withFreshToken(source, page)
    expectTypeOf(fresh).toEqualTypeOf<typeof page>()
    expect([fresh.name, fresh.length]).toEqual(['page', 1])
    expect(await fresh.call({ base: '/' }, 2)).toBe('/2 token-1')
  })

  test.each([
    [{ status: 401 }],
    [{ statusCode: 401 }],
    [{ response: { status: 401 } }],
    [{ response: { statusCode: 401 } }],
  ])('that throws %j reports the token and runs once more', async (shape) => {
    const { source, rejected } = numberedSource()
    const runs: string[] = []
    const fresh = withFreshToken(source, async () => {
      const { value } = presentToken()
      runs.push(value)
      if (value === 'token-1') throw refused(shape)
      return 'done'
    })
    expect(await fresh()).toBe('done')
    expect([runs, rejected]).toEqual([['token-1', 'token-2'], [1]])
  })

  test('that is refused for ever gives the API’s own error, after one refresh', async () => {
    const { source, rejected } = numberedSource()
    let count = 0
    const fresh = withFreshToken(source, async () => {
      count += 1
      throw refused({ status: 401, count })
    })
    await expect(fresh()).rejects.toMatchObject({ message: 'refused', count: 2 })
    expect(rejected).toEqual([1])
  })

  test('for which there is no newer token gives the API’s own error', async () => {
    const { source } = numberedSource()
    const stuck: TokenSource = {
      ...source,
      rejected: () => Promise.reject(new InvalidGrantError('invalid_grant', 'dead')),
    }
    let runs = 0
    const fresh = withFreshToken(stuck, async () => {
      runs += 1
      throw refused({ status: 401 })
    })
    await expect(fresh()).rejects.toThrow('refused')
    expect(runs).toBe(1)
  })

  test.each([
    ['another status', refused({ status: 403 })],
    ['no error at all', undefined],
    ['a text', '401'],
    [
      'an error of our own, whose 401 is the provider’s',
      new ProviderError('invalid_client', 'no', { status: 401 }),
    ],
  ])('that throws %s fails at once', async (_name, thrown) => {
    const { source, rejected } = numberedSource()
    const fresh = withFreshToken(source, async () => {
      throw thrown
    })
    await expect(fresh()).rejects.toBe(thrown)
    expect(rejected).toEqual([])
  })

  test('goes by the sign of refusal that it is given, and asks for the life that it needs', async () => {
    const { source, asked, rejected } = numberedSource()
    const fresh = withFreshToken(
      source,
      async () => {
        if (presentToken().generation === 1) throw new Error('token_expired')
      },
      { isRejected: (error) => (error as Error).message === 'token_expired', minTtl: 60 },
    )
    await fresh()
    expect([asked, rejected]).toEqual([[{ minTtl: 60 }], [1]])
  })

  test('fails with the error of its source, and does not run', async () => {
    let ran = false
    const broken: TokenSource = {
      getToken: () => Promise.reject(new Error('no token')),
      rejected: () => Promise.reject(new Error('no token')),
    }
    const fresh = withFreshToken(broken, async () => {
      ran = true
    })
    await expect(fresh()).rejects.toThrow('no token')
    expect(ran).toBe(false)
  })

  test('that returns no promise is told so at the call', async () => {
    const { source } = numberedSource()
    const fresh = withFreshToken(source, (() => 'now') as never as () => Promise<string>)
    await expect(fresh()).rejects.toThrow('returned no promise')
  })

  test('may return a promise without being async', async () => {
    const { source } = numberedSource()
    expect(await withFreshToken(source, () => Promise.resolve(presentToken().value))()).toBe('token-1')
  })
})

describe('the present token', () => {
  test('is that of the running call, however calls interleave', async () => {
    const { source } = numberedSource()
    const other = numberedSource().source
    await other.rejected({ generation: 1 })
    const inner = withFreshToken(other, async () => presentToken().value)
    const outer = withFreshToken(source, async (nested: boolean) => {
      const { value } = presentToken()
      const within = nested ? inner() : Promise.resolve('')
      expect(presentToken().value).toBe(value)
      return `${value} ${await within}`
    })
    expect(await Promise.all([outer(true), inner(), outer(false)])).toEqual([
      'token-1 token-2',
      'token-2',
      'token-1 ',
    ])
  })

  test('is nobody’s outside, and after an await', async () => {
    const { source } = numberedSource()
    expect(() => presentToken()).toThrow(TypeError)
    const late = withFreshToken(source, async () => {
      await Promise.resolve()
      return presentToken().value
    })
    await expect(late()).rejects.toThrow('before the first one')
    const failing = withFreshToken(source, () => {
      throw new Error('at once')
    })
    await expect(failing()).rejects.toThrow('at once')
    expect(() => presentToken()).toThrow(TypeError)
  })
})

describe('what cannot run with a fresh token', () => {
  test.each([
    ['a generator', function* () {}],
    ['an async generator', async function* () {}],
    ['no function', 'x'],
  ])('%s is refused before any call', (_name, fn) => {
    expect(() => withFreshToken(numberedSource().source, fn as never)).toThrow(TypeError)
  })

  test('a function without a source', async () => {
    expect(() => withFreshToken(undefined as never, async () => undefined)).toThrow('takes a token source')
    const lost = withFreshToken(
      () => undefined as never,
      async () => undefined,
    )
    await expect(lost()).rejects.toThrow('takes a token source')
  })

  test.each([
    ['a legacy decorator', ['page', {}], 'experimentalDecorators'],
    ['a getter', [{ kind: 'getter', name: 'page' }], 'page is a getter'],
    ['a class', [{ kind: 'class', name: 'Api' }], 'Api is a class'],
  ])('%s says what would', (_name, [context], said) => {
    const decorate = freshToken(numberedSource().source) as (method: unknown, context: unknown) => unknown
    expect(() => decorate(async () => undefined, context)).toThrow(said as string)
  })
})
