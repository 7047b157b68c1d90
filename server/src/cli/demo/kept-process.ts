// One of several processes on evertoken: the same work as an ordinary process, on a store they share.

import { setTimeout as sleep } from 'node:timers/promises'
import { authorizedFetch, Keeper, Worker } from 'evertoken'
import { sqliteStore } from 'evertoken/sqlite'
import { lookEvery, type Report } from './report.ts'

const [issuer = '', grant = '', file = ''] = process.argv.slice(2)
const report = (what: Report): void => void process.send?.(what)
process.on('disconnect', () => process.exit())

const keeper = await Keeper.open({ store: sqliteStore(file) })
keeper.on('refreshed', () => report({ kind: 'refreshed' }))
keeper.on('failing', ({ code }) => report({ kind: 'refused', error: code }))
new Worker(keeper).start()
const api = authorizedFetch(keeper.source(grant))

for (;;) {
  try {
    const { status } = await api(new URL('/api/whoami', issuer))
    report({ kind: 'called', status })
  } catch (error) {
    report({ kind: 'refused', error: (error as { code?: string }).code ?? 'internal' })
  }
  await sleep(lookEvery * (0.5 + Math.random()))
}
