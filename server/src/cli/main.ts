#!/usr/bin/env node
import { Interruption, processEnvironment, withClock } from './environment.ts'

const interruption = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => interruption.abort(new Interruption(signal)))

const environment = processEnvironment(interruption.signal)
const [{ systemClock }, { run }] = await Promise.all([import('evertoken'), import('./program.ts')])
process.exitCode = await run(process.argv.slice(2), withClock(environment, systemClock))
