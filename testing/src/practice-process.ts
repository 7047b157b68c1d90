import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { EvertokenError } from 'evertoken'
import type { PracticeServerOptions } from './practice-options.ts'
import { startPracticeServer } from './practice-server.ts'
import { optionsVariable, sentByParent } from './spawned-server.ts'

/*
 * A practice server as a process: `node practice-process.ts --port 8080 --state practice.jsonl --rotation strict`.
 * Prints one line of JSON when it listens, and ends on SIGTERM, SIGINT, or when its parent's IPC channel closes.
 */

const usage = `usage: practice-process [--port N] [--host ADDRESS] [--issuer ORIGIN] [--rotation strict|none|…]
  [--reuse-window S] [--old-token-dies] [--dpop-nonce] [--state FILE] [--truth FILE] [--latency MS] [--access-token-lifetime S] [--refresh-token-lifetime S] [--options JSON]
Options as JSON (those of startPracticeServer) are also taken from ${optionsVariable}; single flags win.`

async function readOptions(): Promise<PracticeServerOptions> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string' },
      host: { type: 'string' },
      issuer: { type: 'string' },
      rotation: { type: 'string' },
      'reuse-window': { type: 'string' },
      'old-token-dies': { type: 'boolean' },
      'dpop-nonce': { type: 'boolean' },
      state: { type: 'string' },
      truth: { type: 'string' },
      latency: { type: 'string' },
      'access-token-lifetime': { type: 'string' },
      'refresh-token-lifetime': { type: 'string' },
      options: { type: 'string' },
    },
  })
  const text = values.options ?? process.env[optionsVariable] ?? '{}'
  const base: PracticeServerOptions =
    text === sentByParent ? (await once(process, 'message'))[0] : JSON.parse(text)
  const { host, issuer, rotation, state: stateFile, truth: truthFile } = values
  const reuseWindow = values['reuse-window']
  const accessToken = values['access-token-lifetime']
  const refreshToken = values['refresh-token-lifetime']
  return {
    ...base,
    ...(values.port === undefined ? {} : { port: Number(values.port) }),
    ...(host === undefined ? {} : { host }),
    ...(issuer === undefined ? {} : { issuer }),
    // Checked with all other options when the server starts.
    ...(rotation === undefined ? {} : { rotation: rotation as 'strict' }),
    ...(reuseWindow === undefined ? {} : { reuseWindow: Number(reuseWindow) }),
    ...(values['old-token-dies'] ? { oldTokenDies: true } : {}),
    ...(values['dpop-nonce'] ? { dpopNonce: true } : {}),
    ...(truthFile === undefined ? {} : { truthFile }),
    ...(stateFile === undefined ? {} : { stateFile }),
    ...(values.latency === undefined ? {} : { latency: Number(values.latency) }),
    lifetimes: {
      ...base.lifetimes,
      ...(accessToken === undefined ? {} : { accessToken: Number(accessToken) }),
      ...(refreshToken === undefined ? {} : { refreshToken: Number(refreshToken) }),
    },
  }
}

async function main(): Promise<void> {
  const server = await startPracticeServer(await readOptions())
  const end = (): void => {
    void server.stop().then(() => process.exit(0))
  }
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
  if (process.connected) process.once('disconnect', end)
  const { issuer, port } = server
  process.stdout.write(`${JSON.stringify({ ready: true, issuer, port, pid: process.pid })}\n`)
}

main().catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error)
  const advice = error instanceof EvertokenError && error.advice ? ` ${error.advice}` : ''
  const help = error instanceof TypeError || error instanceof SyntaxError ? `\n${usage}` : ''
  process.stderr.write(`practice server: ${message}.${advice}${help}\n`)
  process.exit(1)
})
