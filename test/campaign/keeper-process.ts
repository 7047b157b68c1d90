// One process of a host: keeper, worker and readers on the store that all share. It kills or stops itself at the named
// point that it is told, and writes down what it saw.

import { flushCompileCache } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import { fingerprint } from '@evertoken/testing'
import { Keeper, loggedTransport, nodeTransport, type Transport, Worker } from 'evertoken'
import { withClaimTrace } from './claim-trace.ts'
import { EventWriter, type ProcessEvent, type SeenEvent } from './event-file.ts'
import type { Order, ProcessMessage, ProcessOptions } from './host-process.ts'
import { storeOf } from './store-place.ts'

const options = JSON.parse(process.env.CAMPAIGN_PROCESS ?? '{}') as ProcessOptions
const { name, timing } = options
const file = new EventWriter<SeenEvent>(options.events)
const events = { write: (event: ProcessEvent) => file.write({ ...event, sender: name }) }
const stopping = new AbortController()
let order: Order | undefined
let grants: readonly string[] = []

function point(reached: string): void {
  if (order === undefined) return
  if (order.at === reached) order = { ...order, time: order.time - 1 }
  if (order.instead !== reached && (order.at !== reached || order.time > 0)) return
  const { does } = order
  order = undefined
  events.write({ type: does === 'kill' ? 'die' : 'stop', at: Date.now(), point: reached })
  if (does === 'stop') process.send?.({ stopping: reached })
  process.kill(process.pid, does === 'kill' ? 'SIGKILL' : 'SIGSTOP')
}

const wire = nodeTransport()
const told: Transport = async (request) => {
  const path = new URL(request.url).pathname
  const sent = new URLSearchParams(request.body).get('refresh_token')
  const what = sent === null ? { path } : { path, refreshToken: fingerprint(sent) }
  events.write({ type: 'send', at: Date.now(), ...what })
  const headers = { ...request.headers, 'x-practice-sender': name }
  const answer = await wire({ ...request, headers }).catch((error: Error & { reason?: string }) => {
    events.write({ type: 'answer', at: Date.now(), ...what, result: error.reason ?? error.message })
    throw error
  })
  events.write({ type: 'answer', at: Date.now(), ...what, result: answer.status })
  return answer
}

const keeper = await Keeper.open({
  store: withClaimTrace(storeOf(options.place, options.folder, point), (grant) =>
    events.write({ type: 'claimed', at: Date.now(), grant }),
  ),
  transport: loggedTransport(told, (line) => console.error(line)),
  timing,
  faultPoint: point,
})
for (const event of [
  'refreshed',
  'failing',
  'reauthorization_required',
  'recovered',
  'notice',
  'revoked',
] as const)
  keeper.on(event, (facts) => {
    const { grant, ...rest } = facts
    events.write({ type: 'told', at: Date.now(), grant, what: `${event} ${JSON.stringify(rest)}` })
    console.log(JSON.stringify({ event, ...facts }))
  })
const trouble = (error: unknown): void => {
  console.error(error)
  events.write({ type: 'trouble', at: Date.now(), message: String(error) })
}
// Few at a time, so that one kill strikes few logins.
const worker = new Worker(keeper, { onError: trouble, concurrency: 4 }).start()

process.on('message', (message: ProcessMessage) => {
  if (message.order !== undefined) order = message.order
  if (message.grants !== undefined) grants = message.grants
  const { revoke: grant } = message
  if (grant !== undefined)
    keeper
      .revoke(grant)
      .then(({ state }) => events.write({ type: 'revoked', at: Date.now(), grant, state }), trouble)
})
process.once('SIGTERM', () => stopping.abort())
process.on('disconnect', () => process.exit(1))
let awake = Date.now()
const pulse = setInterval(() => {
  const at = Date.now()
  if (at - awake > timing.deadline / 2) events.write({ type: 'stalled', at, from: awake })
  awake = at
}, timing.deadline / 10)
// Who is killed leaves nothing compiled for the next.
if (name.endsWith('.1')) flushCompileCache()
events.write({ type: 'ready', at: Date.now() })
process.send?.({ ready: true })

await read()
order = undefined
clearInterval(pulse)
await worker.stop()
await keeper.close()
wire.close()
process.removeAllListeners('disconnect')
process.disconnect?.()

/** Reads one login after the other, and notes each token that it had not noted a moment ago. */
async function read(): Promise<void> {
  const noted = new Map<string, { readonly generation: number; readonly at: number }>()
  for (let turn = 0; !stopping.signal.aborted; turn += 1) {
    await sleep(options.readPause)
    const grant = grants[turn % Math.max(grants.length, 1)]
    if (grant === undefined) continue
    const asked = Date.now()
    // One that has no token now is waited for beside the others.
    void keeper.getToken(grant).then(
      ({ value, generation }) => {
        const at = Date.now()
        const before = noted.get(grant)
        if (before?.generation === generation && at - before.at < 250) return
        noted.set(grant, { generation, at })
        events.write({ type: 'read', at, asked, grant, generation, accessToken: fingerprint(value) })
      },
      () => undefined,
    )
  }
}
