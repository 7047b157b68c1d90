// Every block of docs/http-clients.md and docs/decorators.md runs as a program, before a broker and an API that refuses the first token.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { transform } from 'esbuild'
import { expect, onTestFinished, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
const broker = 'http://127.0.0.1:7420'
const api = 'https://api.example.com'

let heading = ''
const programs = ['http-clients.md', 'decorators.md'].flatMap((page) =>
  [
    ...readFileSync(join(root, 'docs', page), 'utf8').matchAll(/^##? (.*)$|^```(\w*)\n([\s\S]*?)^```$/gm),
  ].reduce<{ name: string; code: string }[]>((found, [, title, language, code = '']) => {
    if (title !== undefined) heading = title
    else if (language === 'ts') found.push({ name: `${page}, ${heading}`, code })
    else throw new Error(`a block of ${page} is ${language}, and runs nowhere`)
    return found
  }, []),
)

/** A broker whose token has been refused, and an API that takes only the one after it. */
async function servers() {
  const seen: string[] = []
  const tokenOf = (generation: number) =>
    JSON.stringify({
      access_token: `token-${generation}`,
      token_type: 'Bearer',
      expires_in: 3600,
      generation,
    })
  let generation = 1
  const server = createServer(async (request, response) => {
    const body = await text(request)
    const { authorization } = request.headers
    if (request.url?.startsWith('/v1/')) {
      if (request.url.endsWith('/rejected'))
        generation = (JSON.parse(body) as { generation: number }).generation + 1
      response.writeHead(200, { 'content-type': 'application/json' }).end(tokenOf(generation))
      return
    }
    seen.push(`${request.method} ${authorization} ${body}`)
    if (authorization === 'Bearer token-2') response.end('{"ok":true}')
    else response.writeHead(401).end('{}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'evertoken-clients-'))
  onTestFinished(() => rmSync(made, { recursive: true, force: true }))
  mkdirSync(join(made, 'node_modules'))
  symlinkSync(join(root, 'library'), join(made, 'node_modules/evertoken'))
  for (const client of ['axios', 'got', 'ky', 'undici'])
    symlinkSync(join(root, 'node_modules', client), join(made, 'node_modules', client))
  writeFileSync(join(made, 'package.json'), '{"type":"module"}')
  return made
}

test('there is a program for each client', () => {
  const names = programs.map(({ name }) => name.replace(/^.*, /, ''))
  for (const client of [
    'fetch',
    'undici',
    'axios',
    'ky',
    'got, and anything else that throws',
    'http.request',
  ])
    expect(programs.map(({ name }) => name)).toContain(`http-clients.md, ${client}`)
  expect(names.length).toBe(10)
})

test.each(programs)('$name', async ({ code }) => {
  const { origin, seen } = await servers()
  const here = folder()
  const pointed = code.replaceAll(broker, origin).replaceAll(api, origin)
  // Decorators, which Node does not run, and the types of a constructor, which it does not strip.
  const { code: program } = await transform(pointed, { loader: 'ts', format: 'esm', target: 'es2022' })
  writeFileSync(join(here, 'program.js'), program)
  const child = spawn(process.execPath, ['--conditions=evertoken:source', 'program.js'], {
    cwd: here,
    env: { ...process.env, EVERTOKEN_KEY: 'evt_documented' },
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  expect({ stderr, code: child.exitCode }).toEqual({ stderr: '', code: 0 })
  expect(stdout).toMatch(/ok|200/)
  const [method, body] = [seen[0]?.split(' ')[0], seen[0]?.split(' ').slice(3).join(' ')]
  expect(seen).toEqual([`${method} Bearer token-1 ${body}`, `${method} Bearer token-2 ${body}`])
})
