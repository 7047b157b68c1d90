import { hash, timingSafeEqual } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { EvertokenError } from 'evertoken'
import { end, openDatabase, setting } from './accounts.ts'

// node service.ts: GET /tokens/NAME gives the freshest token with what else its answer said. Port: PORT, default any free one, on 127.0.0.1.

const key = digest(`Bearer ${setting('SERVICE_KEY')}`)
const keeper = await openDatabase().catch(end)

function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

function answer(response: ServerResponse, status: number, body: object): void {
  const headers = { 'content-type': 'application/json', 'cache-control': 'no-store' }
  response.writeHead(status, status === 503 ? { ...headers, 'retry-after': '1' } : headers)
  response.end(JSON.stringify(body))
}

async function tokenOf(name: string, response: ServerResponse): Promise<void> {
  try {
    const { value, type, expiresAt, stale, metadata } = await keeper.getToken(name)
    // What is the best there is may have ended at the provider already: nobody gets that here.
    if (stale) answer(response, 503, { error: 'the token is being renewed' })
    else
      answer(response, 200, {
        access_token: value,
        token_type: type,
        expires_at: new Date(expiresAt).toISOString(),
        metadata,
      })
  } catch (error) {
    const { code = 'internal', message } = error as Partial<EvertokenError>
    const status = code === 'unknown_grant' ? 404 : code === 'reauthorization_required' ? 409 : 503
    if (!(error instanceof EvertokenError)) console.error(error)
    answer(response, status, { error: code, message: status === 409 ? message : undefined })
  }
}

const server = createServer({ requestTimeout: 15_000, maxHeaderSize: 8_192 }, (request, response) => {
  const [, name] = /^\/tokens\/([A-Za-z0-9][A-Za-z0-9._-]{0,127})$/.exec(request.url ?? '') ?? []
  if (!timingSafeEqual(digest(request.headers.authorization ?? ''), key))
    answer(response, 401, { error: 'send Authorization: Bearer and the key of this service' })
  else if (request.method !== 'GET' || name === undefined)
    answer(response, 404, { error: 'GET /tokens/NAME' })
  else void tokenOf(name, response)
})
server.listen(Number(setting('PORT', '0')), '127.0.0.1', () => {
  const { port } = server.address() as { port: number }
  console.log(`tokens at http://127.0.0.1:${port}/tokens/NAME`)
})

for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    server.close(() => void keeper.close())
    server.closeIdleConnections()
  })
