import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { clientCredentials, Keeper } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { type BenchOptions, type Question, type Report, shown } from './question.ts'
import { type Contender, interleaved } from './rounds.ts'

const root = path.dirname(import.meta.dirname)

const nothing = 'limit: node -e 0'
const builtIns = 'limit: node:sqlite and node:crypto, one row'
const script = 'evertoken: a program with a Keeper'
const command = 'evertoken token NAME'
const imported = "import 'evertoken' (inside the process)"
const importedSqlite = "import 'evertoken/sqlite' (after it)"

const token = `at-1-${'x'.repeat(800)}`

/** A copy of the packages built to JavaScript, so that nobody's dist folder is needed or touched. */
async function built(folder: string): Promise<void> {
  for (const name of ['library', 'testing', 'server'])
    for (const part of ['src', 'package.json', 'tsconfig.json'])
      await cp(path.join(root, name, part), path.join(folder, name, part), { recursive: true })
  await cp(path.join(root, 'tsconfig.json'), path.join(folder, 'tsconfig.json'))
  const modules = path.join(folder, 'node_modules')
  await mkdir(modules)
  for (const name of await readdir(path.join(root, 'node_modules')))
    if (!/^(\.|evertoken$|@evertoken$)/.test(name))
      await symlink(path.join(root, 'node_modules', name), path.join(modules, name))
  await symlink(path.join(folder, 'library'), path.join(modules, 'evertoken'))
  await mkdir(path.join(modules, '@evertoken'))
  await symlink(path.join(folder, 'testing'), path.join(modules, '@evertoken', 'testing'))
  const { status } = spawnSync(process.execPath, [path.join(root, 'scripts/build.mjs'), folder], {
    stdio: 'ignore',
  })
  if (status !== 0) throw new Error('the packages do not build; npm run build says why')
}

/** Where the command looks with `--data`. */
const dataFiles = (data: string) => ({
  database: path.join(data, 'evertoken.db'),
  keys: [{ id: 'k1', file: path.join(data, 'master.key') }],
})

async function fill(data: string): Promise<void> {
  const { database, keys } = dataFiles(data)
  await using keeper = await Keeper.open({
    store: sqliteStore(database, { keys }),
    transport: async () => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 36_000 }),
    }),
  })
  await keeper.add(
    'billing',
    clientCredentials({ tokenUrl: 'http://127.0.0.1:1/token', clientId: 'bench', clientSecret: 'bench' }),
  )
  await keeper.getToken('billing')
}

/** The least that reads one row and decrypts: node:sqlite and node:crypto without any library. */
const builtInsProgram = (database: string): string => `
import { createDecipheriv, createSecretKey } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'
const database = new DatabaseSync(${JSON.stringify(database)})
const row = database.prepare("SELECT sealed FROM tokens WHERE grant_id = 'billing'").get()
createDecipheriv('aes-256-gcm', createSecretKey(Buffer.alloc(32)), Buffer.alloc(12)).update(row.sealed)
process.stdout.write(${JSON.stringify(token)})
`

const keeperProgram = (data: string): string => `
import { Keeper } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
const { database, keys } = ${JSON.stringify(dataFiles(data))}
const keeper = await Keeper.open({ store: sqliteStore(database, { keys }) })
process.stdout.write((await keeper.getToken('billing')).value)
await keeper.close()
`

const importProgram = `
const began = performance.now()
await import('evertoken')
const between = performance.now()
await import('evertoken/sqlite')
process.stdout.write(JSON.stringify([between - began, performance.now() - between]))
`

async function run({ rounds, quick, progress }: BenchOptions): Promise<Report> {
  const folder = await mkdtemp(path.join(tmpdir(), 'evertoken-bench-'))
  try {
    progress('building a copy of both packages')
    await built(folder)
    const data = path.join(folder, 'data')
    await mkdir(data)
    await fill(data)
    const programs = {
      'built-ins.mjs': builtInsProgram(path.join(data, 'evertoken.db')),
      'keeper.mjs': keeperProgram(data),
      'imports.mjs': importProgram,
    }
    for (const [name, text] of Object.entries(programs)) await writeFile(path.join(folder, name), text)
    const { NODE_OPTIONS: _, ...env } = process.env

    /** Runs Node to its end and gives the milliseconds it took and what it printed. */
    const execute = (args: readonly string[], printed?: string) => {
      const began = performance.now()
      const { status, stdout, stderr } = spawnSync(process.execPath, args, {
        cwd: folder,
        env,
        encoding: 'utf8',
      })
      const ms = performance.now() - began
      if (status !== 0 || (printed !== undefined && stdout.trim() !== printed))
        throw new Error(`node ${args.join(' ')} ended with ${status} and printed ${stdout}${stderr}`)
      return { ms, stdout }
    }
    let sqliteImport = 0
    const contenders: Contender[] = [
      { name: nothing, run: () => execute(['-e', '0']).ms },
      { name: builtIns, run: () => execute(['built-ins.mjs'], token).ms },
      { name: script, run: () => execute(['keeper.mjs'], token).ms },
      {
        name: command,
        run: () => execute(['server/dist/cli/main.js', 'token', 'billing', '--data', data], token).ms,
      },
      {
        name: imported,
        run: () => {
          const [library, sqlite] = JSON.parse(execute(['imports.mjs']).stdout) as [number, number]
          sqliteImport = sqlite
          return library
        },
      },
      { name: importedSqlite, run: () => sqliteImport },
    ]
    const samples = await interleaved(contenders, rounds ?? (quick ? 2 : 31), progress)
    return {
      table: [
        ['process, or part of one', 'ms', 'over node -e 0'],
        ...contenders.map(({ name }) => [
          name,
          shown(samples.of(name), 1),
          shown(samples.ratio(name, nothing), 2),
        ]),
      ],
      notes: [
        'JavaScript as it is published, no compile cache; the store is local and the token in it is good',
      ],
      findings: [
        {
          question: 'cold-start',
          what: 'evertoken token NAME from a local store, over node -e 0',
          figure: samples.ratio(command, nothing),
          goal: 1.8,
          unit: 'x',
        },
        {
          question: 'cold-start/import',
          what: "import 'evertoken' in a fresh process",
          figure: samples.of(imported),
          goal: 15,
          unit: 'ms',
          digits: 1,
        },
      ],
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export const coldStart: Question = {
  about: 'how long does it take a fresh process to have a token from a local store?',
  run,
}
