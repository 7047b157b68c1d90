// What users get: the packages are built, packed and installed as npm does it, and used from there.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundledByEsbuild, bundledByRolldown, loadedAtOnce, loadedEver, sizeOf } from './browser/bundle.ts'
import { lockedRegistry, type Published } from './locked-registry.ts'
import { type Folder, folders, packPackages } from './packed-packages.ts'

const root = path.dirname(import.meta.dirname)
const { version } = JSON.parse(fs.readFileSync(path.join(root, 'library/package.json'), 'utf8'))
const temp = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-packages-')))
const npm = process.env.npm_execpath?.endsWith('npm-cli.js')
  ? { file: process.execPath, start: [process.env.npm_execpath] }
  : { file: 'npm', start: [] }

let env: NodeJS.ProcessEnv
let packages: Record<Folder, Published>
let registry: Awaited<ReturnType<typeof lockedRegistry>>
let withServer: string
let withTesting: string
let libraryOnly: string

beforeAll(async () => {
  env = cleanEnvironment()
  const settings = await execute(npm.file, [...npm.start, 'config', 'get', 'registry', 'cache'])
  const setting = (name: string) => new RegExp(`^${name} ?= ?(.*)$`, 'm').exec(settings.stdout)?.[1] ?? ''
  useCache(setting('cache'))

  packages = await packPackages(temp, execute, npm)
  const lockFile = path.join(root, 'package-lock.json')
  registry = await lockedRegistry(lockFile, setting('registry'), Object.values(packages))
  env.npm_config_registry = registry.url
  ;[withServer, withTesting, libraryOnly] = await Promise.all([
    install('with-server', [`evertoken@${version}`, `@evertoken/server@${version}`]),
    install('with-testing', [`evertoken@${version}`, `@evertoken/testing@${version}`]),
    install('library-only', [`evertoken@${version}`]),
  ])
}, 120_000)

afterAll(async () => {
  await registry?.[Symbol.asyncDispose]()
  fs.rmSync(temp, { recursive: true, force: true })
})

describe('the packed files', () => {
  test.each(folders)(
    'of the %s hold the built code, the README and the license, and neither sources nor maps',
    async (name) => {
      const files = await packedFiles(name)
      expect(files).toEqual(expect.arrayContaining(['package.json', 'README.md', 'LICENSE']))
      const built = name === 'server' ? /^dist\/.*\.js$/ : /^dist\/([a-z0-9-]+\.js|types\/.*\.d\.ts)$/
      const others = files.filter((file) => !built.test(file)).sort()
      const schemas = name === 'server' ? ['evertoken-provider.schema.json', 'evertoken.schema.json'] : []
      expect(others).toEqual(['LICENSE', 'README.md', ...schemas, 'package.json'])
      expect(fs.existsSync(path.join(root, name, 'LICENSE')), 'copies stay out of the repository').toBe(false)
    },
  )

  test('of the library are few: what is loaded together stands together', async () => {
    const files = await packedFiles('library')
    expect(files.filter((file) => file.endsWith('.js')).length).toBeLessThan(60)
    const sources = fs.readdirSync(path.join(root, 'library/src'), { recursive: true, encoding: 'utf8' })
    const declared = files
      .filter((file) => file.endsWith('.d.ts'))
      .map((file) => file.slice('dist/types/'.length, -5))
    expect(declared.filter((file) => !sources.includes(`${file}.ts`))).toEqual([])
    expect(declared.length, 'what no user can name has no types').toBeLessThan(sources.length / 2)
  })
})

describe('with the server installed', () => {
  test('npx evertoken runs the command of the same version', async () => {
    const npx = await execute('npx', ['evertoken', '--version'], { cwd: withServer })
    expect(npx).toMatchObject({ code: 0, stdout: `${version}\n` })
  })

  test("the library's own file runs it too, in the same process, and passes its exit code on", async () => {
    const command = path.join(withServer, 'node_modules/evertoken/dist/command.js')
    const run = (...args: string[]) => execute(process.execPath, [command, ...args], { cwd: temp })
    expect(await run('--version')).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' })
    expect((await run('no-such-command')).code).not.toBe(0)
  })
})

describe('with only the library installed', () => {
  const evertoken = (args: string[], changes: NodeJS.ProcessEnv = {}) =>
    execute(path.join(libraryOnly, 'node_modules/.bin/evertoken'), args, {
      cwd: libraryOnly,
      env: { ...env, ...changes },
    })

  test('there is no web server', () => {
    const installed = fs
      .readdirSync(path.join(libraryOnly, 'node_modules'))
      .filter((name) => !name.startsWith('.'))
    expect(installed.sort()).toEqual(['evertoken', 'jose', 'oauth4webapi'])
  })

  test('what is installed stays within its bounds: two dependencies, 1.2 MB', () => {
    const { dependencies } = JSON.parse(fs.readFileSync(path.join(root, 'library/package.json'), 'utf8'))
    expect(Object.keys(dependencies)).toEqual(['jose', 'oauth4webapi'])
    expect(bytesIn(path.join(libraryOnly, 'node_modules'))).toBeLessThan(1_200_000)
  })

  test('a program that imports all of the main entry reads five files, and waits for no module of Node', async () => {
    const program = `
      import { registerHooks } from 'node:module'
      const files = []
      registerHooks({
        load(url, context, next) {
          files.push(url.slice(url.lastIndexOf('/') + 1))
          return next(url, context)
        },
      })
      await import('evertoken')
      console.log(JSON.stringify(files.sort()))`
    fs.writeFileSync(path.join(libraryOnly, 'files.mjs'), program)
    const ran = await execute(process.execPath, ['files.mjs'], { cwd: libraryOnly })
    expect(ran.stderr).toBe('')
    expect(JSON.parse(ran.stdout)).toEqual(['errors.js', 'index.js', 'keeper.js', 'source.js', 'wire.js'])
  })

  test('a token for a client secret is obtained without jose, which a signature loads', async () => {
    const program = `
      import { registerHooks } from 'node:module'
      const loaded = []
      registerHooks({
        resolve(specifier, context, next) {
          if (/^(jose|oauth4webapi)/.test(specifier)) loaded.push(specifier)
          return next(specifier, context)
        },
      })
      const { clientCredentials, jwtBearer, tokenSource } = await import('evertoken')
      const transport = async () => ({ status: 200, headers: {}, body: '{"access_token":"abc","token_type":"Bearer"}' })
      const options = { tokenUrl: 'https://auth.example/token', clientId: 'c', clientSecret: 's'.repeat(32) }
      const token = async (grant) => (await tokenSource(grant, { transport }).getToken()).value
      const values = [await token(clientCredentials(options)), loaded.join()]
      const key = { algorithm: 'HS256', key: 's'.repeat(32) }
      values.push(await token(jwtBearer({ ...options, assertion: { issuer: 'i', audience: 'a', key } })), loaded.join())
      console.log(JSON.stringify(values))`
    fs.writeFileSync(path.join(libraryOnly, 'lazy.mjs'), program)
    const ran = await execute(process.execPath, ['lazy.mjs'], { cwd: libraryOnly })
    expect(ran.stderr).toBe('')
    expect(JSON.parse(ran.stdout)).toEqual(['abc', 'oauth4webapi', 'abc', 'oauth4webapi,jose'])
  })

  test('the catalogue holds every profile as it was written, and reads no file', async () => {
    const program = `
      import fs from 'node:fs'
      import { syncBuiltinESMExports } from 'node:module'
      import { catalogueIds, catalogueProfile } from 'evertoken/providers'
      fs.readFileSync = fs.readdirSync = () => { throw new Error('a file was read') }
      syncBuiltinESMExports()
      process.stdout.write(JSON.stringify(catalogueIds().map((id) => [id, catalogueProfile(id)])))`
    fs.writeFileSync(path.join(libraryOnly, 'catalogue.mjs'), program)
    const ran = await execute(process.execPath, ['catalogue.mjs'], { cwd: libraryOnly })
    expect(ran.stderr).toBe('')
    const folder = path.join(root, 'library/src/providers/catalogue')
    const written = fs
      .readdirSync(folder)
      .map((file) => [
        file.slice(0, -'.json'.length),
        JSON.parse(fs.readFileSync(path.join(folder, file), 'utf8')),
      ])
      .sort(([one], [other]) => (one < other ? -1 : 1))
    expect(JSON.parse(ran.stdout)).toEqual(written)
  })

  test('a stack trace names the functions it went through, private ones too, and its lines are short', async () => {
    const program = `
      import { Keeper, memoryStore } from 'evertoken'
      const keeper = await Keeper.open({ store: memoryStore() })
      await keeper.getToken('nobody')`
    fs.writeFileSync(path.join(libraryOnly, 'stack.mjs'), program)
    const { code, stderr } = await execute(process.execPath, ['stack.mjs'], { cwd: libraryOnly })
    expect(code).toBe(1)
    expect(stderr).toContain('EvertokenError: there is no grant "nobody" in memory')
    const functions = [...stderr.matchAll(/^ {4}at (?:async )?([\w.#]+) \(/gm)].map(([, name]) => name)
    expect(functions).toEqual(['unknownGrant', '#readStore', 'Reader.get'])
    expect(Math.max(...stderr.split('\n').map((line) => line.length))).toBeLessThan(500)
  })

  test.each([
    ['nodenext', { module: 'nodenext', moduleResolution: 'nodenext' }],
    ['node16', { module: 'node16', moduleResolution: 'node16' }],
    ['a bundler', { module: 'esnext', moduleResolution: 'bundler' }],
  ])(
    'a program of every entry compiles strictly where modules are found as by %s',
    async (name, resolution) => {
      const folder = path.join(libraryOnly, `consumer-${name.replace(' ', '-')}`)
      fs.cpSync(path.join(root, 'test/consumer'), folder, { recursive: true })
      const compilerOptions = {
        ...resolution,
        target: 'es2024',
        lib: ['es2024', 'esnext.disposable', 'esnext.decorators'],
        types: ['node'],
        typeRoots: [path.join(root, 'node_modules/@types')],
        strict: true,
        exactOptionalPropertyTypes: true,
        noEmit: true,
      }
      const project = JSON.stringify({ compilerOptions, include: ['*.ts'] })
      fs.writeFileSync(path.join(folder, 'tsconfig.json'), project)
      const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
      expect(await execute(process.execPath, [tsc, '-p', '.'], { cwd: folder })).toEqual({
        code: 0,
        stdout: '',
        stderr: '',
      })
    },
  )

  test('a program for a page compiles with the types of browsers, and none of Node', async () => {
    const folder = path.join(libraryOnly, 'page')
    fs.cpSync(path.join(root, 'test/consumer/page'), folder, { recursive: true })
    const compilerOptions = {
      module: 'esnext',
      moduleResolution: 'bundler',
      target: 'es2024',
      lib: ['es2024', 'dom', 'dom.iterable', 'esnext.disposable'],
      types: [],
      strict: true,
      skipLibCheck: false,
      noEmit: true,
    }
    fs.writeFileSync(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: ['page.ts'] }),
    )
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
    const compiled = await execute(process.execPath, [tsc, '-p', '.'], { cwd: folder })
    expect(compiled).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  test.each([
    ['esbuild', bundledByEsbuild],
    ['rolldown', bundledByRolldown],
  ])('%s takes from evertoken/fetch what a program names, and nothing of Node', async (_name, bundled) => {
    const bundle = (names: string) =>
      bundled(`export { ${names} } from 'evertoken/fetch'`, { folder: libraryOnly, conditions: [] })
    const all = await bundle('tokenSource, authorizedFetch')
    expect(sizeOf(loadedAtOnce(all))).toBeLessThan(40_000)
    for (const { code } of loadedEver(all)) expect(code).not.toMatch(/\b(?:from|import)\s*\(?\s*["']node:/)
    expect(sizeOf(loadedEver(await bundle('brokerSource, authorizedFetch')))).toBeLessThan(30_000)
  })

  test('the command says what is missing and both ways on, where nobody can be asked', async () => {
    expect(await evertoken(['token', 'billing'])).toEqual({
      code: 1,
      stdout: '',
      stderr: [
        `evertoken: server_package_missing: the command is in @evertoken/server@${version}, which is not installed.`,
        `evertoken: Install it with \`npm install @evertoken/server@${version}\`, or set EVERTOKEN_NPX=yes to let npx fetch and run it.`,
        '',
      ].join('\n'),
    })
  })

  test('EVERTOKEN_NPX=yes lets npx fetch the same version and run it', async () => {
    const before = registry.requests.length
    const { code, stdout, stderr } = await evertoken(['--version'], { EVERTOKEN_NPX: 'yes' })
    expect({ code, stdout }, stderr).toEqual({ code: 0, stdout: `${version}\n` })
    expect(registry.requests.slice(before)).toContain('@evertoken/server')
  }, 60_000)

  test('npx gets every argument as it was, and its exit code is ours', async () => {
    const folder = fs.mkdtempSync(path.join(temp, 'npx-'))
    const script = `#!${process.execPath}\nconsole.log(JSON.stringify(process.argv.slice(2)))\nprocess.exit(7)\n`
    fs.writeFileSync(path.join(folder, 'npx'), script, { mode: 0o755 })
    const args = ['exec', '--', 'sh', '-c', 'echo "a  b" $HOME', '', '--json']
    const { code, stdout } = await evertoken(args, {
      EVERTOKEN_NPX: 'yes',
      PATH: [folder, env.PATH].join(path.delimiter),
    })
    expect(JSON.parse(stdout)).toEqual(['--yes', `@evertoken/server@${version}`, ...args])
    expect(code).toBe(7)
  })

  test('a server of another version is named and not used', async () => {
    const project = fs.mkdtempSync(path.join(temp, 'other-version-'))
    const other = path.join(project, 'node_modules/@evertoken/server')
    fs.mkdirSync(other, { recursive: true })
    const manifest = { name: '@evertoken/server', version: '99.0.0', bin: { evertoken: 'main.js' } }
    fs.writeFileSync(path.join(other, 'package.json'), JSON.stringify(manifest))
    fs.writeFileSync(path.join(other, 'main.js'), `console.log('the wrong one ran')`)
    const command = path.join(libraryOnly, 'node_modules/evertoken/dist/command.js')
    const { code, stdout, stderr } = await execute(process.execPath, [command, '--version'], { cwd: project })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain(
      `@evertoken/server@99.0.0 is installed and is not used: this is evertoken@${version}.`,
    )
    expect(stderr).toContain('server_package_missing')
  })
})

describe('with the practice server installed', () => {
  test('the practice server starts as a process of its own', async () => {
    const program = `
      import { spawnPracticeServer } from '@evertoken/testing'
      const server = await spawnPracticeServer()
      const { status } = await fetch(server.tokenEndpoint, { method: 'POST' })
      await server.stop()
      console.log(status, server.pid !== process.pid)`
    fs.writeFileSync(path.join(withTesting, 'practice.mjs'), program)
    const ran = await execute(process.execPath, ['practice.mjs'], { cwd: withTesting })
    expect(ran).toEqual({ code: 0, stdout: '400 true\n', stderr: '' })
  })

  test('a program compiles with the types, and gets its tokens on plain Node', async () => {
    const program = `
      import { clientCredentials, Keeper, tokenSource } from 'evertoken'
      import { catalogueIds, catalogueProfile, type ProviderProfile } from 'evertoken/providers'
      import { sqliteStore } from 'evertoken/sqlite'
      import { startPracticeServer } from '@evertoken/testing'

      const provider = await startPracticeServer()
      const login = clientCredentials({
        tokenUrl: provider.tokenEndpoint,
        clientId: 'practice-service',
        clientSecret: 'practice-service-secret',
      })
      const source = tokenSource(login)
      const keeper = await Keeper.open({ store: sqliteStore('tokens.db') })
      await keeper.add('billing', login)
      const tokens = [await source.getToken(), await keeper.getToken('billing'), await keeper.getToken('billing')]
      const kinds: string[] = tokens.map((token) => token.type)
      console.log(kinds.join(), new Set(tokens.map((token) => token.value)).size, provider.requests.length)
      const profiles: (ProviderProfile | undefined)[] = catalogueIds().map(catalogueProfile)
      console.log(profiles.length === new Set(profiles).size, profiles.includes(undefined))
      await Promise.all([source.close(), keeper.close(), provider.stop()])
    `
    fs.writeFileSync(path.join(withTesting, 'program.ts'), program)
    const target = { target: 'es2024', lib: ['es2024', 'esnext.disposable'], module: 'nodenext' }
    const nodeTypes = { types: ['node'], typeRoots: [path.join(root, 'node_modules/@types')] }
    const compilerOptions = { ...target, ...nodeTypes, strict: true, rootDir: '.', outDir: 'out' }
    const project = JSON.stringify({ compilerOptions, files: ['program.ts'] })
    fs.writeFileSync(path.join(withTesting, 'tsconfig.json'), project)
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
    expect(await execute(process.execPath, [tsc, '-p', '.'], { cwd: withTesting })).toMatchObject({
      code: 0,
      stdout: '',
    })
    const ran = await execute(process.execPath, ['out/program.js'], { cwd: withTesting })
    expect(ran).toEqual({ code: 0, stdout: 'Bearer,Bearer,Bearer 2 2\ntrue false\n', stderr: '' })
  })
})

test.each(['library/src/command.ts', 'server/src/cli/main.ts'])(
  '%s asks for the Node that the server needs',
  (file) => {
    const { engines } = JSON.parse(fs.readFileSync(path.join(root, 'server/package.json'), 'utf8'))
    const source = fs.readFileSync(path.join(root, file), 'utf8')
    expect(engines.node).toBe(`>=${/oldestNode = '(.*)'/.exec(source)?.[1]}`)
    // What is imported at once is loaded before anything is looked at.
    expect(source).not.toMatch(
      /^import .* from '(?!node:(child_process|fs|module|os|path|readline\/promises|url)')/m,
    )
  },
)

/** Paths in a tarball. */
async function packedFiles(name: Folder): Promise<string[]> {
  const { stdout } = await execute('tar', ['-tzf', packages[name].tarball])
  return stdout
    .trim()
    .split('\n')
    .map((file) => file.replace(/^package\//, ''))
}

async function install(name: string, specs: string[]) {
  const cwd = path.join(temp, name)
  fs.mkdirSync(cwd)
  fs.writeFileSync(path.join(cwd, 'package.json'), '{"private":true,"type":"module"}')
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', ...specs]
  const { code, stderr } = await execute(npm.file, [...npm.start, ...args], { cwd })
  expect(code, stderr).toBe(0)
  return cwd
}

/** Bytes of all files below a folder. */
const bytesIn = (folder: string): number =>
  fs
    .readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + fs.statSync(path.join(entry.parentPath, entry.name)).size, 0)

/** As in a user's shell: nothing of the npm and the Node options that started this test. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) =>
      !/^(npm_(?!config_(user|global)config$)|NODE_OPTIONS$|NODE_ENV$|VITEST|EVERTOKEN_)/i.test(name),
  )
  const cleaned = Object.fromEntries(kept)
  const noProxy = [process.env.NO_PROXY ?? process.env.no_proxy, '127.0.0.1'].filter(Boolean).join(',')
  const PATH = [path.dirname(process.execPath), process.env.PATH].join(path.delimiter)
  return { ...cleaned, PATH, NO_PROXY: noProxy, no_proxy: noProxy, npm_config_prefer_offline: 'true' }
}

/** npm's contents by hash are shared with the machine's cache; what npx installs is not. */
function useCache(machineCache: string) {
  const cache = path.join(temp, 'cache')
  const contents = path.join(machineCache, '_cacache')
  fs.mkdirSync(cache)
  if (fs.existsSync(contents)) fs.symlinkSync(contents, path.join(cache, '_cacache'))
  env.npm_config_cache = cache
}

async function execute(
  file: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
) {
  const child = spawn(file, args, { cwd: temp, env, ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}
