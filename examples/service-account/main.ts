import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { authorizedFetch, EvertokenError } from 'evertoken'
import { serviceAccount } from './account.ts'

// node main.ts URL [--every SECONDS]: calls an API for ever, with a token that never expires under it.

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { every: { type: 'string', default: '5' } },
})
const [url] = positionals
const {
  DT_SERVICE_ACCOUNT_KEY_ID: keyId,
  DT_SERVICE_ACCOUNT_EMAIL: email,
  DT_SERVICE_ACCOUNT_SECRET: secret,
  DT_TOKEN_URL: tokenUrl,
} = process.env
const pause = Number(values.every) * 1000
// Anything else would be no pause at all.
if (url === undefined || !keyId || !email || !secret || !(pause > 0 && pause < 2 ** 31)) {
  console.error(
    'usage: node main.ts URL [--every SECONDS], with DT_SERVICE_ACCOUNT_KEY_ID, _EMAIL and _SECRET set',
  )
  process.exit(2)
}

const account = serviceAccount({ keyId, email, secret, tokenUrl }, () => console.log('Refreshing...'))
const call = authorizedFetch(account)
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
process.once('SIGTERM', () => stop.abort())

while (!stop.signal.aborted) {
  try {
    const answer = await call(url)
    const { expiresAt } = await account.getToken()
    console.log(
      `Token expires in ${Math.floor((expiresAt - Date.now()) / 1000)}s. The API answers ${answer.status}.`,
    )
    await answer.body?.cancel()
  } catch (error) {
    // A provider or a network that is away comes back; the next turn asks again.
    const { message, cause } = error as Error
    const more = error instanceof EvertokenError ? error.advice : (cause as Error | undefined)?.message
    console.error([message, more].filter(Boolean).join('. '))
  }
  await sleep(pause, undefined, { signal: stop.signal }).catch(() => undefined)
}
await account.close()
