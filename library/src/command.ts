#!/usr/bin/env node
// The command of the package `evertoken`. The real one is in @evertoken/server, which a user of the library need not
// install; this finds it, or offers to fetch it, so that `npx evertoken …` works either way.

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'

const server = '@evertoken/server'
/** What @evertoken/server asks for in its `engines`; the library itself runs on an older Node. */
const oldestNode = '24.15'

interface Manifest {
  version: string
  bin: Record<string, string>
}

interface Installed {
  version: string
  /** The file that its `bin` names. */
  main: string
}

const args = process.argv.slice(2)
const here = path.dirname(fileURLToPath(import.meta.url))
const { version } = readManifest(path.join(here, '..', 'package.json'))

if (process.versions.node.localeCompare(oldestNode, 'en', { numeric: true }) < 0) {
  say(`the command needs Node ${oldestNode} or newer, and this is Node ${process.versions.node}.`)
  say('The library, for use in programs, runs here.')
  process.exitCode = 1
} else {
  await run()
}

async function run(): Promise<void> {
  // The project that one stands in comes first, then what is installed beside this file.
  const places = [path.join(process.cwd(), 'package.json'), fileURLToPath(import.meta.url)]
  const found = places.map(findServer).filter((server) => server !== undefined)
  const same = found.find((server) => server.version === version)
  for (const other of new Set(found.filter((server) => server !== same).map((server) => server.version))) {
    if (other !== version)
      say(`${server}@${other} is installed and is not used: this is evertoken@${version}.`)
  }
  if (same) {
    await import(pathToFileURL(same.main).href)
    return
  }
  if (await mayFetch()) {
    process.exitCode = await handOver()
    return
  }
  say(`server_package_missing: the command is in ${server}@${version}, which is not installed.`)
  say(
    `Install it with \`npm install ${server}@${version}\`, or set EVERTOKEN_NPX=yes to let npx fetch and run it.`,
  )
  process.exitCode = 1
}

function findServer(from: string): Installed | undefined {
  try {
    const file = createRequire(from).resolve(`${server}/package.json`)
    const manifest = readManifest(file)
    const main = manifest.bin.evertoken
    return main === undefined
      ? undefined
      : { version: manifest.version, main: path.join(path.dirname(file), main) }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined
    throw error
  }
}

async function mayFetch(): Promise<boolean> {
  const answer = process.env.EVERTOKEN_NPX
  if (answer !== undefined) return answer === 'yes'
  if (!process.stdin.isTTY || !process.stderr.isTTY) return false
  // On stderr, for stdout is the command's: `evertoken token x | …`.
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  const question = `evertoken's command is in ${server}@${version}. Fetch and run it with npx now? [Y/n] `
  // Ctrl-C and Ctrl-D end the question without an answer.
  const closed = new Promise<undefined>((resolve) => terminal.once('close', () => resolve(undefined)))
  const typed = await Promise.race([terminal.question(question), closed])
  if (typed === undefined) process.stderr.write('\n')
  terminal.close()
  return typed !== undefined && /^(y(es)?)?$/i.test(typed.trim())
}

/** Becomes npx as far as a Node program can: its streams, its signals, its exit code. */
function handOver(): Promise<number> {
  const npxArgs = ['--yes', `${server}@${version}`, ...args]
  // On Windows npx is a script that only a shell can start, and a shell would read the arguments anew.
  const npxCli = path.join(path.dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npx-cli.js')
  const [file, start] = process.platform === 'win32' ? [process.execPath, [npxCli]] : ['npx', []]
  // `no`: should what npx fetched end up here again, it says what is missing instead of fetching for ever.
  const env = { ...process.env, EVERTOKEN_NPX: 'no' }
  return new Promise((resolve) => {
    const child = spawn(file, [...start, ...npxArgs], { stdio: 'inherit', env })
    // A terminal gives Ctrl-C to npx as well, which ends by it; we stay until then.
    process.on('SIGINT', () => {})
    process.on('SIGTERM', () => child.kill('SIGTERM'))
    child.on('error', (error) => {
      say(`server_package_missing: npx could not be started (${error.message}).`)
      resolve(1)
    })
    child.on('close', (code, signal) => resolve(code ?? 128 + (signal ? os.constants.signals[signal] : 0)))
  })
}

function readManifest(file: string): Manifest {
  return JSON.parse(fs.readFileSync(file, 'utf8'))
}

function say(line: string): void {
  process.stderr.write(`evertoken: ${line}\n`)
}
