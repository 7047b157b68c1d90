// `npm run campaign`: kills and faults until the numbers are reached, then the reckoning with the provider's ground truth.

import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startPostgres } from '../postgres/server.ts'
import { runCampaign } from './campaign.ts'
import { explain } from './explanation.ts'
import { missedBars, type Row, tableOf } from './findings-table.ts'
import { runPeerCampaign } from './peer-campaign.ts'
import type { ProviderClass } from './provider-class.ts'
import type { Findings } from './reconciliation.ts'
import { type Contender, type RunOptions, readOptions, usage } from './run-options.ts'
import type { StoreKind } from './store-place.ts'

const options = readOptions(process.argv.slice(2))
if (typeof options === 'string') {
  console.error(`${options}\n${usage}`)
  process.exit(2)
}
const say = (line: string): void => console.error(line)
const root = options.folder ?? mkdtempSync(path.join(tmpdir(), 'evertoken-campaign-'))
mkdirSync(root, { recursive: true })

if (options.explain !== undefined) {
  for (const line of explain(root, options.explain)) console.log(line)
  process.exit(0)
}

if (options.tables.length > 0) {
  const saved = options.tables.map((file) => JSON.parse(readFileSync(file, 'utf8')) as { rows: Row[] })
  console.log(tableOf(saved.flatMap((run) => run.rows)))
  process.exit(0)
}

const rows: Row[] = []
const missed: string[] = []
for (const contender of options.contenders)
  for (const store of contender === 'evertoken' ? options.stores : (['file'] as const))
    for (const name of options.classes) {
      const title = `${contender} ${name} ${store}`
      const folder = path.join(root, `${contender}-${name}-${store}-${options.seed}`)
      mkdirSync(folder)
      const { row, findings } = await trial(contender, name, store, folder, (line) =>
        say(`${title}  ${line}`),
      )
      rows.push(row)
      say(tableOf([row]))
      say(`causes ${JSON.stringify(row.causes)}  kills ${JSON.stringify(row.killsAt)}`)
      // The others are measured, not held to anything.
      const bars = contender === 'evertoken' ? missedBars(row) : []
      for (const sentence of bars) say(`MISSED  ${sentence}`)
      missed.push(...bars.map((sentence) => `${title} ${options.seed}: ${sentence}`))
      if (bars.length > 0) {
        for (const line of suspects(findings)) say(line)
        say(`its records: --folder ${folder} --explain <login>`)
      } else if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    }
if (options.json) console.log(JSON.stringify({ rows, missed }, undefined, 2))
else console.log([tableOf(rows), ...missed.map((line) => `MISSED ${line}`)].join('\n'))
process.exitCode = missed.length === 0 ? 0 : 1

async function trial(
  contender: Contender,
  name: ProviderClass,
  store: StoreKind | 'file',
  folder: string,
  progress: (line: string) => void,
): Promise<{ readonly row: Row; readonly findings: Findings }> {
  const { kills, faults, seed, scale, logins, perLogin } = options as RunOptions
  const asked = { class: name, kills, faults, seed, scale, folder, progress }
  if (contender !== 'evertoken') return runPeerCampaign({ ...asked, peer: contender, logins: 8, perLogin })
  const postgres = store === 'postgres' ? await startPostgres({ durable: true }) : undefined
  try {
    if (postgres !== undefined) progress(await settingsOf(postgres))
    return await runCampaign({
      ...asked,
      logins,
      hosts: 2,
      perHost: 4,
      postgres: await postgres?.createDatabase(),
    })
  } finally {
    await postgres?.close()
  }
}

/** The logins that a bar was missed by. */
function suspects({ lostAvoidably, falseReauthorizations, silent, stuck }: Findings): readonly string[] {
  const all = [...lostAvoidably, ...falseReauthorizations, ...silent, ...stuck]
  return all.slice(0, 20).map(({ grant, verdict, noticedAfter }) => {
    const { state, cause } = { cause: '', ...verdict }
    return `  ${grant}: ${state} ${cause}, told after ${noticedAfter ?? '-'} ms`
  })
}

async function settingsOf(server: {
  query(text: string): Promise<Record<string, unknown>[]>
}): Promise<string> {
  const names = ['server_version', 'fsync', 'synchronous_commit']
  const values = await Promise.all(names.map((name) => server.query(`SHOW ${name}`)))
  return names.map((name, index) => `${name} ${values[index]?.[0]?.[name]}`).join(', ')
}
