// `npm run campaign`: kills and faults until the numbers are reached, then the reckoning with the provider's ground truth.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startPostgres } from '../postgres/server.ts'
import { runCampaign } from './campaign.ts'
import { explain } from './explanation.ts'
import { missedBars, type Row, tableOf } from './findings-table.ts'
import { readOptions, usage } from './run-options.ts'

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

const rows: Row[] = []
const missed: string[] = []
for (const store of options.stores)
  for (const name of options.classes) {
    const folder = path.join(root, `${name}-${store}-${options.seed}`)
    mkdirSync(folder)
    const postgres = store === 'postgres' ? await startPostgres({ durable: true }) : undefined
    try {
      if (postgres !== undefined) say(`postgres: ${await settingsOf(postgres)}`)
      const { row, findings } = await runCampaign({
        class: name,
        kills: options.kills,
        faults: options.faults,
        seed: options.seed,
        scale: options.scale,
        logins: options.logins,
        hosts: 2,
        perHost: 4,
        folder,
        compiled: path.join(root, 'compiled'),
        postgres: await postgres?.createDatabase(),
        progress: (line) => say(`${name} ${store}  ${line}`),
      })
      rows.push(row)
      say(tableOf([row]))
      say(`causes ${JSON.stringify(row.causes)}  kills ${JSON.stringify(row.killsAt)}`)
      const bars = missedBars(row)
      for (const sentence of bars) say(`MISSED  ${sentence}`)
      missed.push(...bars.map((sentence) => `${name} ${store} ${options.seed}: ${sentence}`))
      const suspects = [
        ...findings.lostAvoidably,
        ...findings.falseReauthorizations,
        ...findings.silent,
        ...findings.stuck,
      ]
      for (const { grant, verdict } of suspects.slice(0, 20))
        say(`  ${grant} ${JSON.stringify({ ...verdict, request: undefined })}`)
      if (bars.length > 0) say(`  its records: --folder ${folder} --explain <login>`)
      else if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    } finally {
      await postgres?.close()
    }
  }
if (options.json) console.log(JSON.stringify({ rows, missed }, undefined, 2))
else console.log([tableOf(rows), ...missed.map((line) => `MISSED ${line}`)].join('\n'))
process.exitCode = missed.length === 0 ? 0 : 1

async function settingsOf(server: {
  query(text: string): Promise<Record<string, unknown>[]>
}): Promise<string> {
  const names = ['server_version', 'fsync', 'synchronous_commit']
  const values = await Promise.all(names.map((name) => server.query(`SHOW ${name}`)))
  return names.map((name, index) => `${name} ${values[index]?.[0]?.[name]}`).join(', ')
}
