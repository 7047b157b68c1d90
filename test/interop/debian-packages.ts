import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Something that Debian's packages bring; else why there is none and what to do about it. */
export type Installed<What> = { readonly found: What } | { readonly missing: string }

/**
 * Looks for something, and installs Debian's packages when it is not there and that is possible without asking: for root,
 * where there is apt-get.
 */
export async function installed<What>(
  packages: readonly string[],
  find: () => Promise<What | undefined>,
): Promise<Installed<What>> {
  const present = await find()
  if (present !== undefined) return { found: present }
  const manual = `apt-get install -y --no-install-recommends ${packages.join(' ')}`
  if (process.getuid?.() !== 0) return { missing: `as root: ${manual}` }
  try {
    // A fresh image has no package lists, and old lists name files that are gone.
    await install(packages).catch(async () => {
      await aptGet('update')
      await install(packages)
    })
  } catch (error) {
    return { missing: `${manual} failed: ${reasonOf(error)}` }
  }
  const found = await find()
  return found === undefined ? { missing: `${manual} did not help` } : { found }
}

/** Whether a program runs and ends well. */
export const works = (command: string, ...args: string[]): Promise<boolean> =>
  run(command, args).then(
    () => true,
    () => false,
  )

const install = (packages: readonly string[]) =>
  aptGet('install', '-y', '--no-install-recommends', ...packages)

const aptGet = (...args: string[]) =>
  run('apt-get', ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::http::Timeout=30', ...args], {
    timeout: 400_000,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })

function reasonOf(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string }
  return (stderr?.trim() || message).split('\n').at(-1) ?? ''
}
