import { spawn } from 'node:child_process'
import os from 'node:os'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']

/**
 * Runs a program and waits for its end, whatever signals come to us meanwhile. A terminal sends Ctrl-C to the whole
 * process group, so the child has it already, and a second one would mean "leave at once" to it; without a terminal
 * we are the only one who was told, and pass it on.
 */
export function runChild(file, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: 'inherit', ...options })
    const onTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY)
    let interrupted = false
    const pass = (signal) => {
      interrupted = true
      if (!onTerminal || signal === 'SIGTERM') child.kill(signal)
    }
    for (const signal of signals) process.on(signal, pass)
    const done = () => {
      for (const signal of signals) process.off(signal, pass)
    }
    child.on('error', (error) => {
      done()
      reject(error)
    })
    child.on('close', (code, signal) => {
      done()
      resolve({ code: code ?? 128 + (os.constants.signals[signal] ?? 0), interrupted })
    })
  })
}
