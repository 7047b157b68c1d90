import { createInterface } from 'node:readline'
import { accountIn, end, login, openDatabase } from './accounts.ts'

// node import.ts < accounts.jsonl: one {"name": …, "refresh_token": …} a line. An account that is there goes on as it is, unless its refresh
// token is another than the one that was imported: after a new log-in.

const keeper = await openDatabase().catch(end)
const underWay = new Set<Promise<unknown>>()
let lines = 0
let count = 0

try {
  for await (const line of createInterface({ input: process.stdin })) {
    lines += 1
    if (line.trim() === '') continue
    const account = accountIn(line, lines)
    const work = keeper.ensure(account.name, login(account)).finally(() => underWay.delete(work))
    underWay.add(work)
    count += 1
    if (underWay.size >= 64) await Promise.race(underWay)
  }
  await Promise.all(underWay)
} catch (error) {
  end(error)
}
await keeper.close()
console.log(`${count} accounts`)
