import { readFileSync } from 'node:fs'
import os from 'node:os'
import { parseArgs } from 'node:util'
import { type Finding, isMet, type Question, type Report, shown } from './question.ts'

/*
 * npm run bench -- [QUESTION …] [--rounds N] [--json] [--markdown] [--quick]
 * npm run bench -- peers
 *
 * Every question measures ours, the peers and the machine's own limit in the same run, interleaved, and judges ratios:
 * an absolute time says more about the machine and its other tenants than about the code.
 */

const questions: Readonly<Record<string, () => Promise<Question>>> = {
  'cached-token': async () => (await import('./cached-token.ts')).cachedToken,
  dialect: async () => (await import('./dialect.ts')).dialect,
  'fetch-wrapper': async () => (await import('./fetch-wrapper.ts')).fetchWrapper,
  'cold-start': async () => (await import('./cold-start.ts')).coldStart,
  herd: async () => (await import('./herd.ts')).herd,
  'durable-cycle': async () => (await import('./durable-cycle.ts')).durableCycle,
  'durability-window': async () => (await import('./durability-window.ts')).durabilityWindow,
  claiming: async () => (await import('./claiming.ts')).claiming,
  takeover: async () => (await import('./takeover.ts')).takeover,
  'idle-memory': async () => (await import('./idle-memory.ts')).idleMemory,
}

/** The questions in which clients of other people do the same as ours: together they are docs/comparison.md. */
const comparison = ['cached-token', 'fetch-wrapper', 'herd']

const usage = `usage: npm run bench -- [peers | ${Object.keys(questions).join(' | ')}] [--rounds N] [--json] [--markdown] [--quick]`

const { values, positionals: asked } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string' },
    json: { type: 'boolean' },
    markdown: { type: 'boolean' },
    quick: { type: 'boolean' },
  },
})
const positionals = asked.flatMap((name) => (name === 'peers' ? comparison : [name]))
/** Tables as a page has them. */
const markdown = values.markdown ?? asked.includes('peers')
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
const unknown = positionals.filter((name) => !Object.hasOwn(questions, name))
if (unknown.length > 0 || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
  console.error(unknown.length > 0 ? `no question ${unknown.join(', ')}; ${usage}` : usage)
  process.exit(2)
}

/** With --json the lines of JSON have standard output to themselves. */
const tell = values.json ? console.error : console.log

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

tell(machine())
if (markdown) tell(`peers: ${peers()}`)
for (const name of positionals.length > 0 ? positionals : Object.keys(questions)) {
  const question = await (questions[name] as () => Promise<Question>)()
  tell(markdown ? `\n## ${name}\n\n${question.about}` : `\n${name}: ${question.about}`)
  if (question.long && positionals.length === 0 && !values.quick) {
    tell('takes many minutes: asked only by its name')
    continue
  }
  tell(`load before the start: ${load()}`)
  const report = await question.run({
    rounds,
    quick: values.quick ?? false,
    progress: (text) => progress(`${name}: ${text}`),
  })
  progress('')
  print(report)
}
if (values.quick) tell('\n--quick: these figures only show that it runs')

function machine(): string {
  const model = os.cpus()[0]?.model.trim() ?? 'unknown processor'
  const memory = Math.round(os.totalmem() / 2 ** 30)
  return [
    `machine: ${os.availableParallelism()} x ${model}, ${memory} GiB, ${os.type()} ${os.release()} ${os.arch()}`,
    `node: ${process.version}, V8 ${process.versions.v8}, SQLite ${process.versions.sqlite ?? 'none'}`,
  ].join('\n')
}

function load(): string {
  return os
    .loadavg()
    .map((value) => value.toFixed(2))
    .join(' ')
}

function print({ table, notes, findings }: Report): void {
  if (markdown) for (const line of ['', ...markdownTable(table), '', ...notes, '']) tell(line)
  else for (const line of [...aligned(table), ...notes]) tell(`  ${line}`)
  for (const finding of findings) {
    if (values.json) console.log(json(finding))
    tell(`  ${isMet(finding) ? 'met ' : 'MISSED'} ${sentence(finding)}`)
  }
}

function json(finding: Finding): string {
  const { question, figure, goal, unit } = finding
  return JSON.stringify({
    question,
    ratio: Number(figure.median.toFixed(3)),
    goal,
    met: isMet(finding),
    unit,
  })
}

function sentence({ question, what, figure, goal, unit, digits = 2 }: Finding): string {
  return `${question}: ${shown(figure, digits)} ${unit}, goal <= ${goal}: ${what}`
}

function markdownTable([head = [], ...rows]: Report['table']): string[] {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
}

/** The versions that are installed, which are those that are measured. */
function peers(): string {
  const names = [
    'simple-oauth2',
    '@badgateway/oauth2-client',
    'google-auth-library',
    '@azure/msal-node',
    'axios-oauth-client',
  ]
  const { devDependencies } = JSON.parse(
    readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
  ) as { devDependencies: Record<string, string> }
  return names.map((name) => `${name} ${devDependencies[name]}`).join(', ')
}

function aligned(table: Report['table']): string[] {
  const widths = (table[0] ?? []).map((_, column) =>
    Math.max(...table.map((row) => (row[column] ?? '').length)),
  )
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
