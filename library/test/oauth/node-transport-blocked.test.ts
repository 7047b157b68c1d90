// The timer of the deadline ran before the socket was read, and a whole answer with a new refresh token was thrown away.

import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { nodeTransport } from 'evertoken'
import { expect, onTestFinished, test } from 'vitest'

/** Answers in a thread of its own, and counts in `marks`: request received, answer sent. */
const server = `
  const { parentPort, workerData: marks } = require('node:worker_threads')
  const mark = (value) => { Atomics.store(marks, 0, value); Atomics.notify(marks, 0) }
  require('node:http').createServer((request, response) => request.resume().on('end', () => {
    mark(1)
    response.end('{"access_token":"late"}', () => mark(2))
  })).listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port) })`

test('an answer that came while the process was blocked beyond its deadline is read', async () => {
  const marks = new Int32Array(new SharedArrayBuffer(4))
  const thread = new Worker(server, { eval: true, workerData: marks })
  const transport = nodeTransport()
  onTestFinished(async () => {
    transport.close()
    await thread.terminate()
  })
  const [port] = (await once(thread, 'message')) as [number]
  const deadline = 200
  const answer = transport({
    method: 'POST',
    url: `http://127.0.0.1:${port}/token`,
    headers: {},
    body: 'grant_type=refresh_token',
    deadline,
    insecureHttp: false,
  })
  while (Atomics.load(marks, 0) === 0) await turn()
  Atomics.wait(marks, 0, 1)
  Atomics.wait(marks, 0, 2, 2 * deadline)
  expect(await answer).toMatchObject({ status: 200, body: '{"access_token":"late"}' })
})
