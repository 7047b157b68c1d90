import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { promisify } from 'node:util'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { failure, httpServer, listening, post, rawServer, transportForTest } from './servers.ts'

const whole = (body: string, head = ''): string =>
  `HTTP/1.1 200 OK\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`

test('sends method, headers and body and gives status, headers and body', async () => {
  const origin = await httpServer((request, response) => {
    let body = ''
    request.on('data', (chunk) => {
      body += chunk
    })
    request.on('end', () => {
      response.writeHead(418, { 'X-Answer': 'yes', 'set-cookie': ['a=1', 'b=2'] })
      response.end(`${request.method} ${request.url} ${request.headers['x-question']} ${body}`)
    })
  })
  const answer = await transportForTest()(
    post(`${origin}/token?tenant=1`, { headers: { 'x-question': 'who' }, body: 'grüße=1' }),
  )
  expect(answer.status).toBe(418)
  expect(answer.headers['x-answer']).toBe('yes')
  expect(answer.headers['set-cookie']).toBe('a=1, b=2')
  expect(answer.body).toBe('POST /token?tenant=1 who grüße=1')
})

test.each([301, 302, 303, 307, 308])('a %i is an answer and nothing follows it', async (status) => {
  let requests = 0
  const origin = await httpServer((_request, response) => {
    requests++
    response.writeHead(status, { location: '/elsewhere' }).end()
  })
  const answer = await transportForTest()(post(origin))
  expect([answer.status, requests]).toEqual([status, 1])
})

test('informational answers are passed over', async () => {
  const origin = await rawServer((socket) => {
    const hints = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'.repeat(200)
    socket.write(`HTTP/1.1 100 Continue\r\n\r\n${hints}${whole('done')}`)
  })
  expect((await transportForTest()(post(origin))).body).toBe('done')
})

test('a 100 Continue alone, or a flood of 103, ends at the deadline', async () => {
  const only = await rawServer((socket) => socket.write('HTTP/1.1 100 Continue\r\n\r\n'))
  expect(await failure(transportForTest()(post(only, { deadline: 60 })))).toMatchObject({
    reason: 'deadline',
    sent: true,
  })
  const flood = await rawServer((socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\n\r\n'), 2)
    socket.on('close', () => clearInterval(timer))
  })
  expect(await failure(transportForTest()(post(flood, { deadline: 60 })))).toMatchObject({
    reason: 'deadline',
    sent: true,
  })
})

test('one byte every 10 ms is cut off at the deadline, and the connection with it', async () => {
  let closed = false
  const origin = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n')
    const timer = setInterval(() => socket.write('x'), 10)
    socket.on('close', () => {
      closed = true
      clearInterval(timer)
    })
  })
  const begun = performance.now()
  const failed = await failure(transportForTest()(post(origin, { deadline: 80 })))
  expect(failed).toMatchObject({ reason: 'deadline', sent: true, status: 200 })
  expect(performance.now() - begun).toBeLessThan(1000)
  await expect.poll(() => closed).toBe(true)
})

test('one byte of the head every 10 ms is cut off at the deadline', async () => {
  const origin = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nX: ')
    const timer = setInterval(() => socket.write('x'), 10)
    socket.on('close', () => clearInterval(timer))
  })
  expect(await failure(transportForTest()(post(origin, { deadline: 80 })))).toMatchObject({
    reason: 'deadline',
    sent: true,
    status: undefined,
  })
})

test('a server that accepts and says nothing: the request may have arrived', async () => {
  const origin = await rawServer(() => {})
  expect(await failure(transportForTest()(post(origin, { deadline: 50 })))).toMatchObject({
    reason: 'deadline',
    sent: true,
  })
})

test('requests that wait for a connection until their deadline were not sent', async () => {
  let requests = 0
  const origin = await rawServer(() => {
    requests++
  })
  const transport = transportForTest({ connections: 1 })
  const first = failure(transport(post(origin, { deadline: 300 })))
  expect(await failure(transport(post(origin, { deadline: 50 })))).toMatchObject({
    reason: 'deadline',
    sent: false,
  })
  expect(await first).toMatchObject({ reason: 'deadline', sent: true })
  expect(requests).toBe(1)
})

test('nobody listens: refused, not sent, and the message names only the address', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  const failed = await failure(transportForTest()(post(`http://127.0.0.1:${port}/token?secret=hunter2`)))
  expect(failed).toEqual({
    reason: 'refused',
    sent: false,
    status: undefined,
    message: `connect ECONNREFUSED 127.0.0.1:${port}`,
  })
})

test('no file descriptor left: local, not sent', async () => {
  const program = `
    import { openSync } from 'node:fs'
    import { createServer } from 'node:net'
    import { nodeTransport } from '${new URL('../../src/oauth/node-transport.ts', import.meta.url).href}'
    const server = createServer().listen(0, '127.0.0.1', async () => {
      const url = 'http://127.0.0.1:' + server.address().port + '/'
      try { for (;;) openSync('/dev/null') } catch {}
      const request = { method: 'POST', url, headers: {}, body: 'a=1', deadline: 1000, insecureHttp: false }
      const error = await nodeTransport()(request).catch((reason) => reason)
      process.stdout.write([error.reason, error.sent, error.message.replace(/:.*/, '')].join())
      process.exit()
    })`
  const node = [process.execPath, '--input-type=module', '--no-warnings', '-e', program]
  const { stdout } = await promisify(execFile)('sh', ['-c', 'ulimit -n 64 && exec "$0" "$@"', ...node])
  expect(stdout).toBe('local,false,connect EMFILE 127.0.0.1')
})

test('a name that does not resolve: name_not_found, not sent', async () => {
  expect(await failure(transportForTest()(post('https://nowhere.invalid/token')))).toMatchObject({
    reason: 'name_not_found',
    sent: false,
  })
})

test('a reset after the request is ambiguous', async () => {
  const origin = await rawServer((socket) => socket.resetAndDestroy())
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({ reason: 'reset', sent: true })
})

test('a connection that closes without an answer is ambiguous', async () => {
  const origin = await rawServer((socket) => socket.end())
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({ reason: 'reset', sent: true })
})

test('a reset after the head, and a body shorter than Content-Length, are cut', async () => {
  const reset = await rawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"acc', () => socket.resetAndDestroy())
  })
  expect(await failure(transportForTest()(post(reset)))).toMatchObject({
    reason: 'cut',
    sent: true,
    status: 200,
  })
  const short = await rawServer((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"acc'))
  expect(await failure(transportForTest()(post(short)))).toMatchObject({
    reason: 'cut',
    sent: true,
    status: 200,
  })
  const chunked = await rawServer((socket) =>
    socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"acc\r\n'),
  )
  expect(await failure(transportForTest()(post(chunked)))).toMatchObject({ reason: 'cut', sent: true })
})

test('a body longer than Content-Length is read up to it and the connection is not used again', async () => {
  let connections = 0
  const origin = await rawServer((socket) => {
    connections++
    socket.write(`${whole('12345')}67890`)
  })
  const transport = transportForTest()
  expect((await transport(post(origin))).body).toBe('12345')
  expect((await transport(post(origin))).body).toBe('12345')
  expect(connections).toBe(2)
})

test('an answer nobody asked for is not taken for the next request’s', async () => {
  let connections = 0
  const origin = await rawServer((socket) => {
    connections++
    socket.write(whole('asked'))
    setTimeout(() => socket.write(whole('unasked')), 10)
  })
  const transport = transportForTest()
  expect((await transport(post(origin))).body).toBe('asked')
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect((await transport(post(origin))).body).toBe('asked')
  expect(connections).toBe(2)
})

test('what is no HTTP is a cut answer', async () => {
  const origin = await rawServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({
    reason: 'cut',
    sent: true,
    status: undefined,
  })
})

test('an endless body is given up after 64 KiB', async () => {
  let written = 0
  const origin = await httpServer((_request, response) => {
    const push = () => {
      while (!response.destroyed) {
        written += 16_384
        if (!response.write('x'.repeat(16_384))) {
          response.once('drain', push)
          return
        }
      }
    }
    push()
  })
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({
    reason: 'too_large',
    sent: true,
    status: 200,
  })
  expect(written).toBeLessThan(32 * 1024 * 1024)
})

test('a Content-Length of 1 GiB is given up at once', async () => {
  const origin = await rawServer((socket) =>
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n'),
  )
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({ reason: 'too_large', status: 200 })
})

test('64 KiB are read, one byte more is not', async () => {
  const sized = (size: number) => httpServer((_request, response) => response.end('x'.repeat(size)))
  expect((await transportForTest()(post(await sized(65_536)))).body.length).toBe(65_536)
  expect(await failure(transportForTest()(post(await sized(65_537))))).toMatchObject({ reason: 'too_large' })
})

test('more than 16 KiB of headers are too large', async () => {
  const origin = await rawServer((socket) => socket.write(whole('x', `X: ${'y'.repeat(20_000)}\r\n`)))
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({ reason: 'too_large', sent: true })
})

const text = '{"access_token":"ä"}'
test.each([
  ['gzip', gzipSync(text)],
  ['x-gzip', gzipSync(text)],
  ['GZip', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['deflate', deflateRawSync(text)],
  ['br', brotliCompressSync(text)],
  ['identity', Buffer.from(text)],
  ['', Buffer.from(text)],
])('Content-Encoding %s is read', async (encoding, body) => {
  const origin = await httpServer((_request, response) =>
    response.writeHead(200, { 'content-encoding': encoding }).end(body),
  )
  expect((await transportForTest()(post(origin))).body).toBe(text)
})

const bomb = 'x'.repeat(20_000_000)
test.each([
  ['a gzip bomb', 'gzip', gzipSync(bomb), 'too_large'],
  ['a deflate bomb', 'deflate', deflateSync(bomb), 'too_large'],
  ['a brotli bomb', 'br', brotliCompressSync(bomb), 'too_large'],
  ['half a gzip', 'gzip', gzipSync(text).subarray(0, 20), 'cut'],
  ['gzip that is none', 'gzip', Buffer.from(text), 'bad_encoding'],
  ['an unknown encoding', 'zstd', Buffer.from(text), 'bad_encoding'],
  ['two encodings', 'gzip, gzip', gzipSync(gzipSync(text)), 'bad_encoding'],
  ['an encoding from the prototype', 'constructor', Buffer.from(text), 'bad_encoding'],
])('%s is refused', async (_name, encoding, body, reason) => {
  const origin = await httpServer((_request, response) =>
    response.writeHead(200, { 'content-encoding': encoding }).end(body),
  )
  expect(await failure(transportForTest()(post(origin)))).toMatchObject({ reason, sent: true, status: 200 })
})

test('bytes that are no UTF-8 are refused; a byte order mark is taken off', async () => {
  const latin = await httpServer((_request, response) => response.end(Buffer.from([0x7b, 0xe4, 0x7d])))
  expect(await failure(transportForTest()(post(latin)))).toMatchObject({ reason: 'bad_encoding', sent: true })
  const bom = await httpServer((_request, response) => response.end('\ufeff{}'))
  expect((await transportForTest()(post(bom))).body).toBe('{}')
})

test.each([
  ['http://example.com/token', false, 'insecure_http'],
  ['http://127.0.0.1.example.com/token', false, 'insecure_http'],
  ['http://10.0.0.1/token', false, 'insecure_http'],
  ['http://[::ffff:127.0.0.1]/token', false, 'insecure_http'],
  ['http://localhost.example.com/token', false, 'insecure_http'],
  ['ftp://127.0.0.1/token', true, 'local'],
  ['https://good@127.0.0.1/token', true, 'local'],
  ['https://good:password@127.0.0.1/token', true, 'local'],
  ['no address', true, 'local'],
])('%s is refused before anything is sent (insecure_http: %s)', async (url, insecureHttp, reason) => {
  expect(await failure(transportForTest()(post(url, { insecureHttp })))).toMatchObject({
    reason,
    sent: false,
  })
})

test('plain http goes to loopback in every spelling, and elsewhere only where it is allowed', async () => {
  const origin = await httpServer((_request, response) => response.end('here'))
  const { port } = new URL(origin)
  for (const host of ['127.0.0.1', '127.1', '0x7f000001', 'localhost'])
    expect((await transportForTest()(post(`http://${host}:${port}/`))).body).toBe('here')
  const mapped = `http://[::ffff:127.0.0.1]:${port}/`
  expect((await transportForTest()(post(mapped, { insecureHttp: true, privateNetwork: true }))).body).toBe(
    'here',
  )
})

test('a header with a line break is refused and not shown', async () => {
  const origin = await httpServer((_request, response) => response.end())
  const failed = await failure(transportForTest()(post(origin, { headers: { 'x-a': 'top\r\nsecret' } })))
  expect(failed).toMatchObject({ reason: 'local', sent: false })
  expect(failed.message).not.toMatch(/top|secret/)
})

test('a connection is used again at once and dropped after the idle time', async () => {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on('error', () => {})
    socket.on('data', () => socket.write(whole('x')))
  })
  const origin = await listening(server)
  const transport = transportForTest({ idle: 60 })
  await transport(post(origin))
  await transport(post(origin))
  expect(connections).toBe(1)
  await new Promise((resolve) => setTimeout(resolve, 150))
  await transport(post(origin))
  expect(connections).toBe(2)
})

test('a reset of a used connection is ambiguous', async () => {
  let requests = 0
  const origin = await rawServer((socket) => {
    if (++requests === 1) socket.write(whole('x'))
    else socket.resetAndDestroy()
  })
  const transport = transportForTest()
  await transport(post(origin))
  expect(await failure(transport(post(origin)))).toMatchObject({ reason: 'reset', sent: true })
})

test('a slow answer outlives the idle time', async () => {
  const origin = await rawServer((socket) => setTimeout(() => socket.write(whole('slow')), 100))
  expect((await transportForTest({ idle: 20 })(post(origin))).body).toBe('slow')
})

test('close drops idle connections and ends requests under way', async () => {
  const origin = await rawServer(() => {})
  const transport = transportForTest()
  const pending = failure(transport(post(origin)))
  await new Promise((resolve) => setTimeout(resolve, 30))
  transport.close()
  expect(await pending).toMatchObject({ reason: 'reset', sent: true })
})

test('many requests at once each get their own answer', async () => {
  const origin = await httpServer((request, response) => {
    setTimeout(() => response.end(request.url), Math.random() * 20)
  })
  const transport = transportForTest({ connections: 8 })
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, index) => transport(post(`${origin}/${index}`))),
  )
  expect(answers.map((answer) => answer.body)).toEqual(Array.from({ length: 100 }, (_, index) => `/${index}`))
})
