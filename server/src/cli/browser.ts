import { spawn } from 'node:child_process'
import type { Environment } from './environment.ts'

/** Opens a page in the person's browser, where there is one; resolves with whether something was started. */
export async function openBrowser(url: string, environment: Environment): Promise<boolean> {
  const command = commandFor(url, environment)
  if (command === undefined) return false
  const [program, ...args] = command
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: 'ignore', detached: true })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
}

function commandFor(
  url: string,
  { platform, env, isTerminal }: Environment,
): [string, ...string[]] | undefined {
  // A script's windows would surprise whoever sits at the machine.
  if (!isTerminal.stderr) return undefined
  if (platform === 'darwin') return ['open', url]
  // Not `start`, which would give the URL's & to a shell.
  if (platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler', url]
  const hasScreen = Boolean(env.DISPLAY || env.WAYLAND_DISPLAY || env.BROWSER)
  return hasScreen ? ['xdg-open', url] : undefined
}
