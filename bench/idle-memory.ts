import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { fillWithIdle, loginName } from './idle-grants.ts'
import { type BenchOptions, type Question, type Report, shown } from './question.ts'
import { type Spread, spread } from './rounds.ts'
import { type Places, type StorePlace, startPlaces, storeNames } from './store-place.ts'

const root = path.dirname(import.meta.dirname)

/** `evertoken serve` on a store, with the folder and the key that the store was made with. */
async function startBroker(place: StorePlace, places: Places) {
  const { folder, words } =
    place.kind === 'sqlite'
      ? { folder: path.dirname(place.file), words: ['--data', path.dirname(place.file)] }
      : { folder: place.folder, words: ['--config', configured(place, places)] }
  const { EVERTOKEN_DATA: _, EVERTOKEN_PORT: __, NODE_OPTIONS: ___, ...env } = process.env
  const child = spawn(
    process.execPath,
    [
      '--conditions=evertoken:source',
      path.join(root, 'server/src/cli/main.ts'),
      'serve',
      '--listen',
      '127.0.0.1:0',
      ...words,
    ],
    { cwd: places.folder, env, stdio: ['ignore', 'pipe', 'inherit'] },
  )
  for await (const line of createInterface({ input: child.stdout })) {
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? []
    if (url !== undefined)
      return { child, url, key: readFileSync(path.join(folder, 'reader.key'), 'utf8').trim() }
  }
  throw new Error('evertoken serve ended before it listened')
}

function configured({ url, folder }: Extract<StorePlace, { kind: 'postgres' }>, places: Places): string {
  const file = path.join(places.folder, 'evertoken.yaml')
  writeFileSync(file, `store: ${url}\ndata_folder: ${folder}\n`)
  return file
}

/** In MB: `VmRSS` of proc_pid_status(5). */
function residentOf({ pid }: ChildProcess): number {
  const [, kilobytes = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) / 1024
}

/** Resident memory, looked at again and again while the work is done. */
async function watched(child: ChildProcess, work: () => Promise<unknown>): Promise<Spread> {
  const seen = [residentOf(child)]
  const looking = setInterval(() => seen.push(residentOf(child)), 100)
  try {
    await work()
  } finally {
    clearInterval(looking)
  }
  return spread([...seen, residentOf(child)])
}

/** Reads the tokens of all of them, a few at a time. */
async function readAll(url: string, key: string, logins: number): Promise<void> {
  let next = 0
  const reader = async (): Promise<void> => {
    for (let index = next++; index < logins; index = next++) {
      const answer = await fetch(`${url}/v1/grants/${loginName(index)}/token`, {
        headers: { authorization: `Bearer ${key}` },
      })
      if (!answer.ok) throw new Error(`the broker answered ${answer.status}: ${await answer.text()}`)
      await answer.arrayBuffer()
    }
  }
  await Promise.all(Array.from({ length: 16 }, reader))
}

const idle = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function run({ quick, progress }: BenchOptions): Promise<Report> {
  if (process.platform !== 'linux') throw new Error('resident memory is read where only Linux has it')
  const count = quick ? 300 : 1_000_000
  // More than are kept in memory.
  const logins = quick ? 30 : 60_000
  const seconds = quick ? 1 : 60
  await using places = await startPlaces()
  const found: { kind: StorePlace['kind']; what: string; memory: Spread }[] = []
  for (const kind of places.kinds) {
    progress(`filling a store on ${storeNames[kind]}`)
    const place = await placeFor(kind, places)
    await fillWithIdle(place, { count, logins })
    progress(`serving it: ${storeNames[kind]}`)
    const { child, url, key } = await startBroker(place, places)
    const gone = new Promise((resolve) => child.once('exit', resolve))
    try {
      const look = async (what: string, work: () => Promise<unknown>) =>
        found.push({ kind, what, memory: await watched(child, work) })
      await look(`${seconds} s after the start`, () => idle(seconds * 1000))
      await look(`while ${logins} tokens are read`, () => readAll(url, key, logins))
      await look(`${seconds} s afterwards`, () => idle(seconds * 1000))
    } finally {
      child.kill('SIGTERM')
      await gone
    }
  }
  return {
    table: [
      ['store', '', 'MB resident'],
      ...found.map(({ kind, what, memory }) => [storeNames[kind], what, shown(memory)]),
    ],
    notes: [
      `\`evertoken serve\`, broker and worker in one process, over ${count} grants of which none is due; resident memory as Linux has it, looked at ten times a second`,
      `${logins} of them were added and refreshed, the others are copies of one's rows`,
    ],
    findings: places.kinds.map((kind) => {
      const most = Math.max(...found.filter((one) => one.kind === kind).map(({ memory }) => memory.max))
      return {
        question: `idle-memory/${kind}`,
        what: `the most resident memory that was seen of a broker and worker with ${count} idle grants on ${storeNames[kind]}`,
        figure: spread([most]),
        goal: 512,
        unit: 'MB',
        digits: 0,
      }
    }),
  }
}

/** Where `evertoken serve --data` looks for a store and its key. */
async function placeFor(kind: StorePlace['kind'], places: Places): Promise<StorePlace> {
  if (kind === 'postgres') return places.make(kind)
  const folder = path.join(places.folder, 'data')
  return { kind, file: path.join(folder, 'evertoken.db'), key: path.join(folder, 'master.key') }
}

export const idleMemory: Question = {
  about: 'how much memory does a broker with a worker take over a million grants that rest?',
  long: true,
  run,
}
