// A process that is stopped or blocked comes to its timers and sockets in an order of their own: a whole answer with a new
// refresh token was thrown away, and a request left long after its deadline.

import { once } from 'node:events'
import { setImmediate as turn } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { nodeTransport } from 'evertoken'
import { expect, onTestFinished, test } from 'vitest'

/** Answers in a thread of its own. `marks`: request received (1), answer sent (2); how many requests came. */
const server = `
  const { parentPort, workerData: marks } = require('node:worker_threads')
  const mark = (value) => { Atomics.store(marks, 0, value); Atomics.notify(marks, 0) }
  require('node:http').createServer((request, response) => request.resume().on('end', () => {
    Atomics.add(marks, 1, 1)
    mark(1)
    response.end('{"access_token":"late"}', () => mark(2))
  })).listen(0, '127.0.0.1', function () { parentPort.postMessage(this.address().port) })`

const deadline = 200

async function started() {
  const marks = new Int32Array(new SharedArrayBuffer(8))
  const thread = new Worker(server, { eval: true, workerData: marks })
  const transport = nodeTransport()
  onTestFinished(async () => {
    transport.close()
    await thread.terminate()
  })
  const [port] = (await once(thread, 'message')) as [number]
  const post = () =>
    transport({
      method: 'POST',
      url: `http://127.0.0.1:${port}/token`,
      headers: {},
      body: 'grant_type=refresh_token',
      deadline,
      insecureHttp: false,
    })
  return { marks, post }
}

test('an answer that came while the process was blocked beyond its deadline is read', async () => {
  const { marks, post } = await started()
  const answer = post()
  while (Atomics.load(marks, 0) === 0) await turn()
  Atomics.wait(marks, 0, 1)
  Atomics.wait(marks, 0, 2, 2 * deadline)
  expect(await answer).toMatchObject({ status: 200, body: '{"access_token":"late"}' })
})

test('a request whose process was blocked beyond its deadline while it connected is not sent', async () => {
  const { marks, post } = await started()
  const answer = post().catch((error: unknown) => error)
  // The connection is asked for in this turn, and its coming is seen in the next.
  await Promise.resolve()
  Atomics.wait(marks, 0, 0, 2 * deadline)
  expect(await answer).toMatchObject({ reason: 'deadline', sent: false })
  expect(await post()).toMatchObject({ status: 200 })
  expect(Atomics.load(marks, 1)).toBe(1)
})
