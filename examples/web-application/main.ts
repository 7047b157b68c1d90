import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { discover, EvertokenError, nodeTransport } from 'evertoken'
import { application } from './application.ts'
import { Logins } from './logins.ts'
import { SessionStore } from './session-store.ts'

// Serves until it is told to end.

const {
  ISSUER,
  CLIENT_ID,
  CLIENT_SECRET,
  PORT = '8080',
  URL_OF_THIS,
  SCOPE = 'openid offline_access',
  DATABASE = 'sessions.db',
  KEY_FILE = 'sessions.key',
} = process.env
if (!ISSUER || !CLIENT_ID) {
  console.error(
    'usage: node main.ts, with ISSUER and CLIENT_ID set; maybe CLIENT_SECRET, PORT, URL_OF_THIS and SCOPE',
  )
  process.exit(2)
}

const transport = nodeTransport()
const { userinfoEndpoint } = await discover(
  ISSUER,
  { insecureHttp: false },
  { transport, now: Date.now, deadline: 10_000 },
).catch((error: unknown) => {
  if (!(error instanceof EvertokenError)) throw error
  console.error([error.message, error.advice].filter(Boolean).join('. '))
  process.exit(1)
})
if (userinfoEndpoint === undefined) {
  console.error(`${ISSUER} names no userinfo endpoint, which is the API of this application`)
  process.exit(1)
}

const sessions = new SessionStore(DATABASE, keyOf(KEY_FILE))
const logins = new Logins(
  {
    issuer: ISSUER,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    scope: SCOPE,
    authorizationParameters: { prompt: 'consent' },
  },
  sessions,
)
const server = createServer({ requestTimeout: 30_000 }).listen(Number(PORT), '127.0.0.1')
await once(server, 'listening')
const url = new URL(URL_OF_THIS ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
const provider = new URL(ISSUER).origin
server.on('request', application({ url, sessions, logins, userinfoUrl: userinfoEndpoint, provider }))
console.log(`open ${url.origin}`)

const end = async (): Promise<void> => {
  server.close()
  server.closeAllConnections()
  await logins[Symbol.asyncDispose]()
  sessions[Symbol.dispose]()
  transport.close()
}
process.once('SIGINT', end)
process.once('SIGTERM', end)

/** 32 bytes, made when there are none. */
function keyOf(file: string): Uint8Array {
  try {
    writeFileSync(file, randomBytes(32), { mode: 0o600, flag: 'wx' })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  return readFileSync(file)
}
