import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

const modules = 'import authlib, flask, sqlalchemy'
const packages = ['python3-authlib', 'python3-flask', 'python3-sqlalchemy']

/** The interpreter that Debian's packages are for comes first; another one may have the same from PyPI. */
const interpreters = ['/usr/bin/python3', 'python3']

/** A Python that can run server.py; else why there is none and what to do about it. */
export type Python = { readonly command: string } | { readonly missing: string }

/** Installs Debian's packages when that is possible without asking: for root, where there is apt-get. */
export async function pythonWithAuthlib(): Promise<Python> {
  const present = await interpreter()
  if (present !== undefined) return { command: present }
  const manual = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() !== 0) return { missing: `as root: ${manual}` }
  try {
    // A fresh image has no package lists, and old lists name files that are gone.
    await install().catch(async () => {
      await aptGet('update')
      await install()
    })
  } catch (error) {
    return { missing: `${manual} failed: ${reasonOf(error)}` }
  }
  const installed = await interpreter()
  return installed === undefined
    ? { missing: `${manual} did not help: no python3 runs \`${modules}\`` }
    : { command: installed }
}

async function interpreter(): Promise<string | undefined> {
  for (const command of interpreters) {
    const works = await run(command, ['-c', modules]).then(
      () => true,
      () => false,
    )
    if (works) return command
  }
  return undefined
}

const install = () => aptGet('install', '-y', '--no-install-recommends', ...packages)

const aptGet = (...args: string[]) =>
  run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::http::Timeout=30', ...args], {
    timeout: 400_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })

function reasonOf(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string }
  return (stderr?.trim() || message).split('\n').at(-1) ?? ''
}
