import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/*
 * token-endpoint-process LATENCY_MS LIFETIME_S, started with an IPC channel by token-endpoint.ts. It checks nothing,
 * so that every library's request costs it the same.
 */

const [latency = 0, lifetime = 3600] = process.argv.slice(2).map(Number)
let count = 0
let issued = 0

const server = createServer((request, response) => {
  count += 1
  issued += 1
  const body = JSON.stringify({
    access_token: `at-${issued}-${'x'.repeat(800)}`,
    token_type: 'Bearer',
    expires_in: lifetime,
    refresh_token: request.url === '/without-rotation' ? undefined : `rt-${issued}`,
  })
  request.resume().once('end', () => {
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(body), latency)
  })
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('message', () => {
  process.send?.({ count })
  count = 0
})
process.once('disconnect', () => process.exit())
