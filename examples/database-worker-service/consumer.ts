import { end, setting } from './accounts.ts'
import { freshestToken } from './freshest-token.ts'

// node consumer.ts NAME: prints the freshest token of that account. SERVICE_URL and SERVICE_KEY say whom to ask.

const [name] = process.argv.slice(2)
if (name === undefined) {
  console.error('usage: node consumer.ts NAME')
  process.exit(2)
}
console.log(
  JSON.stringify(await freshestToken(setting('SERVICE_URL'), setting('SERVICE_KEY'), name).catch(end)),
)
