import { createInterface } from 'node:readline'
import { type Account, login, openDatabase } from './accounts.ts'

// node import.ts < accounts.jsonl: one {"name": …, "refresh_token": …} a line. An account that is there goes on as it is, unless its refresh
// token is another than the one that was imported: after a new log-in.

const keeper = await openDatabase()
const underWay = new Set<Promise<unknown>>()
let count = 0

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() === '') continue
  const account = JSON.parse(line) as Account
  const work = keeper.ensure(account.name, login(account)).finally(() => underWay.delete(work))
  underWay.add(work)
  count += 1
  if (underWay.size >= 64) await Promise.race(underWay)
}
await Promise.all(underWay)
await keeper.close()
console.log(`${count} accounts`)
