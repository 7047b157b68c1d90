import fs from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Files, violations } from './house-rules.ts'

const root = path.dirname(import.meta.dirname)
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8')

/** Every file below a folder, as paths from the root; nothing that is made or fetched. */
function filesIn(folder: string): string[] {
  return fs.readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith('.') || /^(node_modules|dist|coverage)$/.test(entry.name)) return []
    const file = path.posix.join(folder, entry.name)
    return entry.isDirectory() ? filesIn(file) : [file]
  })
}

const foldersOf = (files: string[]) =>
  new Set(
    files.flatMap((file) =>
      file
        .split('/')
        .slice(0, -1)
        .map((_, index, parts) => parts.slice(0, index + 1).join('/')),
    ),
  )

describe('the house', () => {
  test('keeps its dependency rules', () => {
    const sources = ['library/src', 'testing/src', 'server/src']
      .flatMap(filesIn)
      .filter((file) => file.endsWith('.ts'))
    expect(violations(Object.fromEntries(sources.map((file) => [file, read(file)])))).toEqual([])
  })

  test('has no folder or file named after a drawer', () => {
    const drawer = /(^|\/)(utils?|shared|common|helpers?|lib|managers?)(\/|\.[^/]*$)/
    expect(filesIn('.').filter((file) => drawer.test(file))).toEqual([])
  })

  test.each(['library', 'testing'])(
    'exports of the %s package name sources, and the files that they become: one for each entry, beside one another',
    (folder) => {
      const { exports } = JSON.parse(read(`${folder}/package.json`))
      for (const [entry, target] of Object.entries<Record<string, string>>(exports)) {
        if (entry === './package.json') continue
        const source = target['evertoken:source'] ?? ''
        expect(fs.existsSync(path.join(root, folder, source)), `${entry}: ${source}`).toBe(true)
        const name = entry === '.' ? 'index' : entry.slice(2).replaceAll('/', '-')
        expect(target.default, entry).toBe(`./dist/${name}.js`)
        expect(target.types, entry).toBe(source.replace('./src/', './dist/types/').replace(/\.ts$/, '.d.ts'))
        expect(Object.keys(target).at(-1), entry).toBe('default')
      }
    },
  )

  test('the command of the library is a file of its own', () => {
    expect(JSON.parse(read('library/package.json')).bin).toEqual({ evertoken: 'dist/command.js' })
  })

  test('exports of the server name sources that become those files', () => {
    const { exports, bin } = JSON.parse(read('server/package.json'))
    const { default: built, 'evertoken:source': source } = exports['.']
    expect(fs.existsSync(path.join(root, 'server', source))).toBe(true)
    expect(built).toBe(source.replace('./src/', './dist/').replace(/\.ts$/, '.js'))
    expect(`./${bin.evertoken}`).toBe(built)
  })

  test.each(['library/src/command.ts', 'server/src/cli/main.ts'])('%s is a program', (source) => {
    expect(read(source).split('\n')[0]).toBe('#!/usr/bin/env node')
  })

  test('is the one that ARCHITECTURE.md draws', () => {
    const drawn = drawnFolders(read('ARCHITECTURE.md'))
    const files = filesIn('.')
    const built = [...foldersOf(files)].filter(
      (folder) => !folder.includes('/') || /^(library|testing|server)(\/src(\/.*)?|\/test)?$/.test(folder),
    )
    expect(built.filter((folder) => !drawn.named.has(folder))).toEqual([])
    const there = foldersOf(files)
    expect([...drawn.lines].filter((folder) => !there.has(folder))).toEqual([])
  })
})

/**
 * The folders of the fenced block that begins with the repository's name: `lines` have a line of their own and must
 * exist; `named` also holds those that the line of their parent names (`stores/   memory, sqlite/, postgres/`).
 */
function drawnFolders(markdown: string) {
  const tree = /^```\w*\nevertoken\/\n([\s\S]*?)^```/m.exec(markdown)?.[1]
  if (tree === undefined) throw new Error('ARCHITECTURE.md has no fenced block that begins with evertoken/')
  const lines = new Set<string>()
  const named = new Set<string>()
  let above: { indent: number; folder: string }[] = []
  for (const line of tree.split('\n')) {
    const match = /^( +)([\w.@-]+)\/(?:\s(.*))?$/.exec(line)
    if (!match) continue
    const [, indent = '', name = '', text = ''] = match
    above = above.filter((parent) => parent.indent < indent.length)
    const folder = [above.at(-1)?.folder, name].filter(Boolean).join('/')
    above.push({ indent: indent.length, folder })
    lines.add(folder)
    named.add(folder)
    for (const [, child] of text.matchAll(/(?:^|[\s,(])([\w-]+)\/(?=[\s,.;)]|$)/g))
      named.add(`${folder}/${child}`)
  }
  return { lines, named }
}

describe('the rules catch', () => {
  const cases: [string, Files, string][] = [
    [
      'an arrow that points up',
      { 'library/src/oauth/refresh.ts': `import { Keeper } from '../grants/keeper.ts'` },
      'library/src/oauth/refresh.ts: may not import grants (library/src/grants/keeper.ts)',
    ],
    [
      'an import over several lines, and one that is called',
      {
        'library/src/grants/a.ts': `import {\n  one,\n  type Two,\n} from '../stores/memory.ts'`,
        'library/src/grants/b.ts': `const store = await import('../stores/memory.ts')`,
      },
      [
        'library/src/grants/a.ts: may not import stores (library/src/stores/memory.ts)',
        'library/src/grants/b.ts: may not import stores (library/src/stores/memory.ts)',
      ].join('\n'),
    ],
    [
      'an export from where nothing may come',
      { 'library/src/worker/a.ts': `export * from '../providers/profile.ts'` },
      'library/src/worker/a.ts: imports more than types of providers (library/src/providers/profile.ts)',
    ],
    [
      'a store that uses more than types of grants',
      {
        'library/src/stores/memory.ts': `import { transition } from '../grants/grant.ts'`,
        'library/src/stores/sqlite/store.ts': `import { type Grant, open } from '../../grants/grant.ts'`,
      },
      [
        'library/src/stores/memory.ts: imports more than types of grants (library/src/grants/grant.ts)',
        'library/src/stores/sqlite/store.ts: imports more than types of grants (library/src/grants/grant.ts)',
      ].join('\n'),
    ],
    [
      'a driver and the network in grants',
      {
        'library/src/grants/a.ts': `import http from 'node:http'\nimport { DatabaseSync } from 'node:sqlite'`,
      },
      'library/src/grants/a.ts: imports node:http\nlibrary/src/grants/a.ts: imports node:sqlite',
    ],
    [
      'a server that reaches into the library by a path',
      { 'server/src/broker/a.ts': `import { Keeper } from '../../../library/src/grants/keeper.ts'` },
      "server/src/broker/a.ts: imports library/src/grants/keeper.ts by a path, not by the package's name",
    ],
    [
      'a library that knows the server',
      { 'library/src/use/a.ts': `import { x } from '@evertoken/server'` },
      'library/src/use/a.ts: imports @evertoken/server; the library knows no server, and itself by paths',
    ],
    [
      'a circle',
      {
        'library/src/use/a.ts': `import { b } from './b.ts'`,
        'library/src/use/b.ts': `import { c } from './c.ts'`,
        'library/src/use/c.ts': `import { a } from './a.ts'`,
      },
      'library/src/use/a.ts -> library/src/use/b.ts -> library/src/use/c.ts -> library/src/use/a.ts: a circle',
    ],
    [
      'the environment outside the command',
      { 'library/src/use/a.ts': 'const level = process.env.EVERTOKEN_LOG' },
      'library/src/use/a.ts: uses process.env or process.exit outside the command',
    ],
    [
      'a clock that is not passed in',
      {
        'library/src/grants/a.ts': 'const due = Date.now() + 1',
        'library/src/oauth/a.ts': 'const now = new Date()',
      },
      [
        'library/src/grants/a.ts: reads the clock; time is passed in',
        'library/src/oauth/a.ts: reads the clock; time is passed in',
      ].join('\n'),
    ],
    [
      'SQL outside stores',
      { 'library/src/worker/a.ts': 'const due = `\n  select id from grants where due_at <= ?`' },
      'library/src/worker/a.ts: holds SQL',
    ],
    [
      'a drawer',
      { 'server/src/broker/utils.ts': '' },
      'server/src/broker/utils.ts: is named after a drawer, not after what it holds',
    ],
    [
      'a folder without a rule',
      { 'library/src/plugins/a.ts': '' },
      'library/src/plugins/a.ts: lies in library/src/plugins, for which test/house-rules.ts has no rule',
    ],
    [
      'code in index.ts',
      { 'library/src/index.ts': `export { Keeper } from './grants/keeper.ts'\nexport const version = '1'` },
      'library/src/index.ts: holds code; it only names what is public',
    ],
  ]
  test.each(cases)('%s', (_, files, expected) => {
    expect(violations(files).join('\n')).toBe(expected)
  })

  test('nothing in what is allowed', () => {
    const files: Files = {
      'library/src/index.ts': `// All of it.\nexport { Keeper } from './grants/keeper.ts'\nexport type {\n  Grant,\n} from './grants/grant.ts'\n`,
      'library/src/grants/keeper.ts': `import { refresh } from '../oauth/refresh.ts'\nimport type { Grant } from './grant.ts'\n// process.env and Date.now() are named here, and not used\n`,
      'library/src/grants/grant.ts': `import type { Keeper } from './keeper.ts'\nimport type { Provider } from '../providers/provider.ts'`,
      'library/src/oauth/refresh.ts': `import { EvertokenError } from '../errors.ts'`,
      'library/src/stores/sqlite/store.ts': `import type { Store } from '../../grants/store.ts'\nconst all = 'SELECT id FROM grants'`,
      'server/src/cli/main.ts': `import { Keeper } from 'evertoken'\nimport { broker } from '../broker/broker.ts'\nconst home = process.env.HOME`,
    }
    expect(violations(files)).toEqual([])
  })
})
