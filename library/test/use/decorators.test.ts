import { execFile } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'
import { freshToken, presentToken } from '../../src/use/decorators.ts'
import type * as decorated from './decorated-api.ts'
import { numberedSource } from './numbered-source.ts'

const file = path.join(import.meta.dirname, 'decorated-api.ts')
const root = path.join(import.meta.dirname, '../../..')

/** How people compile decorators, and how far down. */
const compilers: [string, (folder: string) => Promise<string>][] = [
  ['esbuild', (folder) => bundled(folder, 'es2022')],
  ['esbuild, async functions taken apart', (folder) => bundled(folder, 'es2016')],
  [
    'tsc',
    async (folder) => {
      const options = [
        '--ignoreConfig',
        '--target',
        'es2022',
        '--module',
        'nodenext',
        '--strict',
        '--skipLibCheck',
      ]
      const extensions = [
        '--allowImportingTsExtensions',
        '--rewriteRelativeImportExtensions',
        '--types',
        'node',
      ]
      const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
      const args = [tsc, ...options, ...extensions, '--rootDir', root, '--outDir', folder, file]
      fs.writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}')
      await promisify(execFile)(process.execPath, args, { cwd: root })
      return path.join(folder, 'library/test/use/decorated-api.js')
    },
  ],
]

async function bundled(folder: string, target: string): Promise<string> {
  const outfile = path.join(folder, 'api.mjs')
  await build({ entryPoints: [file], bundle: true, format: 'esm', platform: 'node', target, outfile })
  return outfile
}

describe.each(compilers)('decorators by %s', (_name, compile) => {
  let api: typeof decorated
  let folder: string
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-decorators-'))
    api = await import(pathToFileURL(await compile(folder)).href)
    return () => fs.rmSync(folder, { recursive: true })
  })

  test('give a method a fresh token, and run it once more when that is refused', async () => {
    const { source: tokens, rejected } = numberedSource()
    const calls: unknown[] = []
    const made = new api.Api(async (token, page) => {
      calls.push([token, page])
      if (token === 'token-1') throw Object.assign(new Error('refused'), { status: 401 })
      return `page ${page}`
    }, tokens)
    expect(await made.page(3)).toBe('page 3')
    expect([calls, rejected]).toEqual([
      [
        ['token-1', 3],
        ['token-2', 3],
      ],
      [1],
    ])
    expect(await made.hidden(4)).toBe('page 4')
    expect([api.Api.prototype.page.name, api.parameters]).toEqual(['page', 1])
  })

  test('stand before static methods', async () => {
    const { source: tokens } = numberedSource()
    const made = api.staticApi(tokens, async (token, page) => `${token} ${page}`)
    expect(await made.page(5)).toBe('token-1 5')
  })

  test('let the token be taken only before the first await', async () => {
    const { source: tokens } = numberedSource()
    await expect(new api.Api(async () => '', tokens).late()).rejects.toThrow('presentToken() was called')
  })

  test('refuse a generator and a synchronous method when the class is made', () => {
    const { source } = numberedSource()
    // Taken apart, a generator is only known as not async.
    expect(() => api.generatorApi(source)).toThrow(
      /^pages is (a generator, which cannot run twice|not async, )/,
    )
    expect(() => api.synchronousApi(source, async () => '')).toThrow(
      /^page is not async, .* write async before it/,
    )
  })
})

test.each(['_asyncToGenerator', '_async_to_generator', '_asyncToGenerator2'])(
  'an async method that a compiler made into a function with %s is known as one',
  async (helper) => {
    const { source } = numberedSource()
    const decorate = freshToken(source)
    // As Babel, swc and oxc write them.
    const compiled = new Function(
      helper,
      'presentToken',
      `return function page() { return ${helper}(function* () { return presentToken().value })() }`,
    )
    const run = (generator: () => Generator<never, string>) => async () => generator().next().value
    const context = { kind: 'method', name: 'page' } as ClassMethodDecoratorContext
    expect(await decorate(compiled(run, presentToken), context)()).toBe('token-1')
  },
)
