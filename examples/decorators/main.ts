import { setTimeout as sleep } from 'node:timers/promises'
import { clientCredentials, EvertokenError, tokenSource } from 'evertoken'
import { Api } from './api.ts'

// Calls both methods by turns, until it is told to end or has done so COUNT times.

const { API_URL, TOKEN_URL, CLIENT_ID, CLIENT_SECRET, COUNT = '10', PAUSE = '1000' } = process.env
if (!API_URL || !TOKEN_URL || !CLIENT_ID || !CLIENT_SECRET) {
  console.error('usage: npm start, with API_URL, TOKEN_URL, CLIENT_ID and CLIENT_SECRET set')
  process.exit(2)
}

await using tokens = tokenSource(
  clientCredentials({ tokenUrl: TOKEN_URL, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET }),
)
tokens.on('refreshed', ({ generation }) => console.log(`token ${generation}`))
const api = new Api(API_URL, tokens)

try {
  for (let turn = 1; turn <= Number(COUNT); turn += 1) {
    const { sub } = await api.user()
    console.log(`${sub}, ${await api.secondsLeft()} s left`)
    await sleep(Number(PAUSE))
  }
} catch (error) {
  const { message, cause } = error as Error
  const advice = error instanceof EvertokenError ? error.advice : (cause as Error | undefined)?.message
  console.error([message, advice].filter(Boolean).join('. '))
  process.exitCode = 1
}
