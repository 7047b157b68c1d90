import { styleText } from 'node:util'
import type { Environment } from './environment.ts'

const frames = ['◐', '◓', '◑', '◒']

/**
 * Shows on a terminal that something is under way, for as long as it is; elsewhere it says nothing. It leaves stdin
 * alone, so that Ctrl-C is a signal like any other.
 */
export async function withProgress<T>(
  message: string | (() => string),
  { isTerminal, stderr }: Environment,
  work: Promise<T>,
): Promise<T> {
  if (!isTerminal.stderr) return work
  let count = 0
  const draw = (): void => {
    const frame = frames[count++ % frames.length] ?? ''
    const said = typeof message === 'string' ? message : message()
    stderr.write(`\r${styleText('cyan', frame, { stream: stderr as NodeJS.WriteStream })} ${said} `)
  }
  draw()
  const timer = setInterval(draw, 120)
  try {
    return await work
  } finally {
    clearInterval(timer)
    stderr.write('\r\x1b[2K')
  }
}
