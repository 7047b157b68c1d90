// node model/run.mjs [--small] [NAME …]: searches refresh.pml for a counterexample, once for each configuration below.
// Exits with 1 when one of them does not end as expected. README.md says what they mean.

import { execFile, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

/** A strict provider that can be asked whether a refresh token is alive; reuse detection must never be triggered. */
const strict = 'MODE=0 PROBE=1 CHKREUSE'
/** Windowed classes: one crash, and no reauthorization at all. */
const lastChildWins = 'MODE=1 CRASHES=1 STEALS=0 WCL=1 SENDCAP=5 CHKANY'
/** Every answer arrives, in any order, and a child that its sibling has killed ends the login. */
const reordered = 'MODE=1 CRASHES=0 DROPS=0 GIVEUP=0 WCL=1 FAMKILL=2 QUSE=2 SENDCAP=5 CHKANY'
const idempotent = 'MODE=2 CRASHES=1 WCL=1 SENDCAP=5 CHKANY'
/** The window closes when it likes, and reuse after that kills the login. */
const closing = 'MODE=2 PROBE=1 CRASHES=1 STEALS=0 WCL=2 FAMKILL=1 QUSE=1 SENDCAP=5 CHKREUSE'

/**
 * `expected`: `holds`, or the property that the counterexample breaks (`loss`: a reauthorization where none is allowed).
 * `live`: the search is for runs that get stuck or go on for ever. `small`: part of what a merge must pass.
 */
const configurations = [
  { name: 'S1', set: strict, expected: 'holds', small: true },
  { name: 'S2', set: `${strict} SAMEHOST`, expected: 'holds', small: true },
  { name: 'S3', set: `${strict} REFUSE=1`, expected: 'holds' },
  { name: 'S4', set: 'MODE=0', expected: 'holds' },
  { name: 'S5', set: `${strict} REVOKE=1 CRASHES=1`, expected: 'holds', small: true },
  {
    name: 'S6',
    set: `${strict} CHKANY CRASHES=0 DROPS=0 STEALS=0 GIVEUP=0`,
    expected: 'holds',
    small: true,
  },
  { name: 'BS', set: `${strict} NW=3 MIXED`, expected: 'holds' },
  { name: 'G1', set: lastChildWins, expected: 'holds' },
  { name: 'G2', set: idempotent, expected: 'holds' },
  { name: 'G3', set: 'MODE=3 CRASHES=1 SENDCAP=4 CHKANY', expected: 'holds', small: true },
  { name: 'G4', set: 'MODE=4 CRASHES=1 WCL=1 SENDCAP=4 CHKANY', expected: 'holds' },
  { name: 'B0', set: `${lastChildWins} CAND=0`, expected: 'holds' },
  { name: 'B4', set: `${lastChildWins} FAMKILL=1 QUSE=1`, expected: 'holds' },
  { name: 'B7', set: `${reordered}`, expected: 'holds', small: true },
  { name: 'B6', set: closing, expected: 'holds' },
  { name: 'L0', set: 'MODE=0 PROBE=1', expected: 'holds', live: true, small: true },
  { name: 'L1', set: 'MODE=0', expected: 'holds', live: true },
  { name: 'L2', set: 'MODE=1 CRASHES=1 STEALS=0 WCL=1 SENDCAP=4', expected: 'holds', live: true },
  { name: 'L3', set: 'MODE=2 CRASHES=1 STEALS=0 WCL=1 SENDCAP=4', expected: 'holds', live: true },

  { name: 'A1', set: `${strict} INTENT=0`, expected: 'P1', small: true },
  { name: 'A2', set: `${strict} INTENT=2`, expected: 'P5', small: true },
  { name: 'A3', set: `${strict} KEEPU=0 REFUSE=1`, expected: 'P1', small: true },
  { name: 'A4', set: `${strict} DRAIN=0`, expected: 'P5', small: true },
  { name: 'A4b', set: `${strict} DRAIN2=0 SAMEHOST`, expected: 'P5', small: true },
  { name: 'A5', set: `${strict} CASP=0`, expected: 'P6', small: true },
  { name: 'A6', set: `${strict} SWAIT=0`, expected: 'P5', small: true },
  { name: 'A7', set: 'MODE=0 PROBE=1 QUIET=0', expected: 'P5', small: true },
  { name: 'A7n', set: `${strict} QUIET=0 CRASHES=0 DROPS=0`, expected: 'P6', small: true },
  { name: 'A8', set: `${strict} FENCE=0`, expected: 'P1', small: true },
  { name: 'A9', set: `${strict} SPOOL=0`, expected: 'P5', small: true },
  { name: 'A10', set: 'MODE=0 CHKREUSE', expected: 'P6', small: true },
  { name: 'A11', set: `${strict} REVOKE=1 CRASHES=1 REVAL=0`, expected: 'P3', small: true },
  { name: 'A12', set: `${strict} REVOKE=1 CRASHES=1 STCHK=0`, expected: 'P3', small: true },
  { name: 'B1', set: `${lastChildWins} PREV=0`, expected: 'loss' },
  { name: 'B2', set: `${lastChildWins} PROVE=0`, expected: 'loss' },
  { name: 'B3', set: `${lastChildWins} FAMKILL=1`, expected: 'loss' },
  { name: 'B8', set: `${reordered} AGAIN=0`, expected: 'loss', small: true },
  { name: 'B5', set: `${closing} WCHK=0`, expected: 'P6' },

  { name: 'W1', set: `${strict} CHKANY`, expected: 'loss', small: true },
  { name: 'W2', set: `${strict} CHKLOST`, expected: 'P5', small: true },
  { name: 'W3', set: `${strict} CHKLOST SAMEHOST STEALS=0`, expected: 'holds', small: true },
]

/** The assertions of refresh.pml, told apart by what they speak of: the checker quotes only their text. */
const assertions = [
  ['P1', /phase\[/],
  ['P2', /valid\[/],
  ['P3', /status!=|returned/],
  ['P6', /\(dead\)/],
  ['P5', /answerLost/],
  ['loss', /^ *0 /],
]

const folder = import.meta.dirname
const print = (line) => process.stdout.write(`${line}\n`)
const run = promisify(execFile)
/** Minutes a search may take; what needs longer counts as not complete. */
const longest = 20
const incomplete = 'NOT COMPLETE'

const names = process.argv.slice(2).filter((argument) => argument !== '--small')
const small = process.argv.includes('--small')
const unknown = names.filter((name) => !configurations.some((one) => one.name === name))
if (unknown.length > 0) {
  print(
    `no configuration ${unknown.join(', ')}; there are ${configurations.map(({ name }) => name).join(' ')}`,
  )
  process.exit(2)
}
const chosen = configurations.filter((one) =>
  names.length > 0 ? names.includes(one.name) : !small || one.small,
)

if (haveTools() || installTools()) process.exitCode = await searchAll()
else
  print(
    'model: SKIPPED, nothing was checked: it needs spin and gcc (Debian, Ubuntu: apt-get install spin gcc libc6-dev)',
  )

function haveTools() {
  return ['spin', 'gcc'].every((tool) => spawnSync(tool, ['--version']).error === undefined)
}

/** Whoever may install anyhow (a container of a CI) is not asked to do it by hand. */
function installTools() {
  if (process.getuid?.() !== 0) return false
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const apt = (...args) => {
    const { status } = spawnSync('apt-get', ['-o', 'DPkg::Lock::Timeout=300', ...args], {
      env,
      stdio: 'ignore',
    })
    return status === 0
  }
  const install = () => apt('install', '-y', '--no-install-recommends', 'spin', 'gcc', 'libc6-dev')
  print('model: installing spin and gcc')
  return (install() || (apt('update') && install())) && haveTools()
}

async function searchAll() {
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'evertoken-model-'))
  try {
    const setting = Math.max(...chosen.map(({ set }) => set.length))
    const row = (...cells) =>
      print(cells.map((cell, i) => cell.padEnd([4, setting, 20, 10, 0][i] ?? 0)).join('  '))
    row('run', 'setting', 'result', 'states', '')
    let failed = 0
    for (const [one, search] of begin(work)) {
      const { result, states } = await search
      const asExpected = result === one.expected
      if (!asExpected) failed += 1
      row(
        one.name,
        one.set,
        result === 'holds' || result === incomplete ? result : `counterexample ${result}`,
        states,
        asExpected ? 'expected' : `UNEXPECTED, not ${one.expected}`,
      )
    }
    print(`model: ${chosen.length} runs, ${failed === 0 ? 'all as expected' : `${failed} not as expected`}`)
    return failed === 0 ? 0 : 1
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
}

/** Small searches run side by side; the others may take a machine's memory, so they wait for each other. */
function begin(work) {
  const lanes = Array.from({ length: small ? os.availableParallelism() : 1 }, () => Promise.resolve())
  return chosen.map((one, i) => {
    const search = lanes[i % lanes.length].then(() => searchOne(one, path.join(work, one.name)))
    lanes[i % lanes.length] = search.catch(() => undefined)
    return [one, search]
  })
}

async function searchOne(one, place) {
  fs.mkdirSync(place)
  const inPlace = { cwd: place, maxBuffer: 2 ** 26 }
  const switches = one.set.split(' ').map((set) => `-D${set}`)
  await run('spin', [...switches, '-a', path.join(folder, 'refresh.pml')], inPlace)
  const first = await check('-DSAFETY')
  if (!one.live || first.result !== 'holds') return first
  // Nobody is stuck; does anybody go on for ever?
  return check('-DNP', '-l')

  async function check(kind, ...options) {
    // Compiling takes longer than a small search.
    const speed = one.small ? '-O0' : '-O2'
    const memory = '-DMEMLIM=10000'
    await run(
      'gcc',
      ['-w', speed, '-DVECTORSZ=2048', '-DCOLLAPSE', memory, kind, '-o', 'pan', 'pan.c'],
      inPlace,
    )
    // Runs that end with nothing left to do are no deadlock (-E), except where being stuck is the question.
    const ends = one.live ? [] : ['-E']
    const limits = { ...inPlace, timeout: longest * 60_000 }
    const { stdout } = await run('./pan', ['-m300000', ...ends, ...options], limits).catch((error) => error)
    return judge(stdout ?? '')
  }
}

function judge(output) {
  const states = /(\d+) states, stored/.exec(output)?.[1] ?? ''
  const found = /^pan:1: (.*)$/m.exec(output)?.[1] ?? ''
  if (/end state|non-progress/.test(found)) return { result: 'P4', states }
  const [, asserted] = /^assertion violated (.*)$/.exec(found) ?? []
  if (asserted !== undefined) {
    const property = assertions.find(([, speaksOf]) => speaksOf.test(asserted))?.[0]
    return { result: property ?? asserted, states }
  }
  const complete = /errors: 0/.test(output) && !/too small|out of memory|not completed/.test(output)
  return { result: complete ? 'holds' : incomplete, states }
}
