import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = path.resolve(import.meta.dirname, '..')
const isRepository = existsSync(path.join(root, '.git'))

/** Two ports in a row that nobody has: `npm start` takes a port and the one after it. */
async function freePair(): Promise<number> {
  for (;;) {
    const first = createServer().listen(0, '127.0.0.1')
    await once(first, 'listening')
    const { port } = first.address() as { port: number }
    const second = createServer().listen(port + 1, '127.0.0.1')
    const free = await once(second, 'listening').then(
      () => true,
      () => false,
    )
    first.close()
    second.close()
    if (free && port < 65_535) return port
  }
}

interface Started {
  readonly child: ChildProcess
  readonly text: () => string
  /** Resolves with the text so far once it matches. */
  readonly said: (pattern: RegExp) => Promise<string>
}

function npmStart(folder: string, port: number): Started {
  const child = spawn('npm', ['start', '--silent'], {
    cwd: folder,
    env: { ...process.env, EVERTOKEN_PORT: String(port), NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let text = ''
  const listeners = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (part: string) => {
      text += part
      for (const listener of listeners) listener()
    })
  const said = (pattern: RegExp): Promise<string> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(text)) return
        listeners.delete(look)
        resolve(text)
      }
      child.once('exit', (code) => reject(new Error(`npm start ended with ${code}:\n${text}`)))
      listeners.add(look)
      look()
    })
  return { child, text: () => text, said }
}

const pidIn = (text: string): number => Number(/kill -9 (\d+)/.exec(text)?.[1])
const curlIn = (text: string): string => /^\s*(curl .+)$/m.exec(text)?.[1] ?? ''

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

describe.skipIf(!isRepository)('a new user', () => {
  let folder: string
  let port: number
  const pids = new Set<number>()

  beforeAll(async () => {
    folder = path.join(mkdtempSync(path.join(tmpdir(), 'evertoken-new-')), 'evertoken')
    execFileSync('git', ['clone', '--quiet', root, folder])
    port = await freePair()
  })

  afterAll(() => {
    for (const pid of pids)
      try {
        process.kill(pid, 'SIGKILL')
      } catch {}
    rmSync(path.dirname(folder), { recursive: true, force: true })
  })

  const pasted = (line: string): { access_token: string; generation: number; expires_in: number } =>
    JSON.parse(execFileSync('bash', ['-c', line], { cwd: folder, encoding: 'utf8' }))

  async function isActive(token: string): Promise<boolean> {
    const answer = await fetch(`http://127.0.0.1:${port + 1}/introspect`, {
      method: 'POST',
      body: new URLSearchParams({ token }),
    })
    return ((await answer.json()) as { active: boolean }).active
  }

  test('clones, starts, pastes the printed line, gets a token that works, kills it, starts again, and the same grants go on', {
    timeout: 180_000,
  }, async () => {
    const first = npmStart(folder, port)
    const text = await first.said(/demo-person\s+generation|kill -9/)
    const pid = pidIn(text)
    pids.add(pid)
    const header = text.split(/^\d\d:\d\d:\d\d /m)[0] ?? ''
    const own = header
      .split('\n')
      .filter((line) => line !== '' && !/^evertoken: (fetching|installing)/.test(line))
    expect(own.length).toBeLessThanOrEqual(12)

    const curl = curlIn(text)
    expect(curl).toContain('$(cat .evertoken/reader.key)')
    const key = readFileSync(path.join(folder, '.evertoken/reader.key'), 'utf8').trim()
    expect(text).not.toContain(key)
    const before = pasted(curl)
    expect(await isActive(before.access_token)).toBe(true)

    const secretFiles = readdirSync(path.join(folder, '.evertoken')).filter((name) => name.endsWith('.key'))
    expect(secretFiles).toEqual(expect.arrayContaining(['admin.key', 'master.key', 'reader.key']))
    for (const name of secretFiles)
      expect(statSync(path.join(folder, '.evertoken', name)).mode & 0o777).toBe(0o600)

    process.kill(pid, 'SIGKILL')
    await gone(pid)
    const second = npmStart(folder, port)
    const again = await second.said(/kill -9/)
    pids.add(pidIn(again))
    const after = pasted(curl)
    expect(after.generation).toBeGreaterThanOrEqual(before.generation)
    expect(await isActive(after.access_token)).toBe(true)
    // The login itself went on: nobody consented a second time.
    const requests = (await (await fetch(`http://127.0.0.1:${port + 1}/practice/requests`)).json()) as {
      outcome: string
    }[]
    expect(requests.filter(({ outcome }) => outcome === 'consented')).toEqual([])
    await second.said(/demo-service\s+generation \d+, good for 20 s/)

    const third = npmStart(folder, port)
    const [code] = (await once(third.child, 'exit')) as [number]
    expect(code).not.toBe(0)
    expect(third.text()).toMatch(/port \d+.* taken/)

    process.kill(pidIn(again), 'SIGINT')
    const [clean] = (await once(second.child, 'exit')) as [number]
    expect(clean).toBe(0)
  })
})
