// One suite over four servers that nobody here wrote; the table it prints is that of docs/servers.md.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { pythonWithAuthlib } from '../authlib/python-packages.ts'
import type { Installed } from '../debian-packages.ts'
import { pythonWithToolkit } from '../django-oauth-toolkit/python-packages.ts'
import { rubyWithDoorkeeper } from '../doorkeeper/ruby-packages.ts'
import { startAuthlib } from './authlib.ts'
import { type CapabilityRow, capabilities } from './capabilities.ts'
import { startToolkit } from './django-oauth-toolkit.ts'
import { startDoorkeeper } from './doorkeeper.ts'
import { startOidcProvider } from './oidc-provider.ts'
import { markdownTable, publish, today } from './page.ts'
import type { Capability, RealServer } from './real-server.ts'

const rows = Object.entries(capabilities) as [Capability, CapabilityRow][]

interface Candidate {
  readonly name: string
  readonly program: Installed<string>
  start(program: string): Promise<RealServer>
}

const candidates: readonly Candidate[] = [
  {
    name: 'oidc-provider',
    program: { found: process.execPath },
    start: () => startOidcProvider({ rotateRefreshToken: true }),
  },
  {
    name: 'django-oauth-toolkit',
    program: await pythonWithToolkit(),
    start: (python) => startToolkit(python, { grace: 0 }),
  },
  {
    name: 'doorkeeper',
    program: await rubyWithDoorkeeper(),
    start: (ruby) => startDoorkeeper(ruby, { previous: false }),
  },
  {
    name: 'authlib',
    program: await pythonWithAuthlib(),
    start: (python) => startAuthlib(python, { rotates: true }),
  },
]

/** By server and version, what became of each capability. */
const seen = new Map<string, Partial<Record<Capability, string>>>()
const missing: string[] = []
const wanted: string[] = []

describe.each(candidates)('$name', ({ name, program, start }) => {
  const why = 'missing' in program ? program.missing : undefined
  if (why !== undefined) console.warn(`SKIPPED: the suite of capabilities at ${name}; ${why}`)
  let server: RealServer
  let column: Partial<Record<Capability, string>>
  beforeAll(async () => {
    if (!('found' in program)) return
    server = await start(program.found)
    column = {}
    seen.set(`${server.name} ${server.version}`, column)
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  for (const [capability, { title, check, absent }] of rows) {
    test.skipIf(why !== undefined)(title, async ({ skip }) => {
      const lacking = server.lacks[capability]
      if (lacking === undefined) {
        if (check === undefined) throw new Error(`nothing shows that a server can do ${title}`)
        await check(server)
        column[capability] = 'yes'
        const wants = server.wants?.[capability]
        if (wants !== undefined) wanted.push(`${server.name}: ${title} wants ${wants}`)
        return
      }
      await absent?.(server)
      column[capability] = 'no'
      missing.push(`${server.name}: ${title}: ${lacking}`)
      skip(`not supported by this server: ${lacking}`)
    })
  }
})

test('every server passed what it is said to support', () => {
  for (const [name, column] of seen)
    for (const [capability, { title }] of rows)
      expect(column[capability] ?? 'failed', `${name}: ${title}`).toMatch(/^(yes|no)$/)
})

afterAll(() => {
  const columns = [...seen.values()]
  const table = markdownTable(
    ['', ...seen.keys()],
    rows.map(([capability, { title }]) => [
      title,
      ...columns.map((column) => column[capability] ?? 'failed'),
    ]),
  )
  const list = (notes: readonly string[]) => notes.map((note) => `- ${note}\n`).join('')
  publish(
    'servers.md',
    'servers',
    `${table}\nSeen on ${today()}. What a client must say for it:\n\n${list(wanted)}\nWhere it says no:\n\n${list(missing)}`,
  )
})
