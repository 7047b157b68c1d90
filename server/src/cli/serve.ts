import path from 'node:path'
import type { Environment } from './environment.ts'
import type { ServeOptions } from './options.ts'
import { RefreshLines } from './refresh-lines.ts'
import { whatToServe } from './served.ts'
import { type Service, startService } from './service.ts'

/** Broker and worker on one store, until a signal ends them. */
export async function serve(options: ServeOptions, environment: Environment): Promise<void> {
  const served = await whatToServe(options, environment)
  const say = (line: string): void => void environment.stdout.write(`${line}\n`)
  await using service = await startService(served, environment)
  const lines = new RefreshLines(service.keeper)
  const { url, readerKey } = service
  const names = (await service.keeper.list({ limit: 6 })).map(({ id }) => id)
  say(`evertoken serves ${namesText(names)} at ${url}`)
  say(`data: ${service.keeper.store.location} (${served.place.origin})`)
  say(`read a token: ${tokenLine(url, shortest(readerKey, environment.cwd), names[0] ?? 'NAME')}`)
  await untilStopped(service, lines, environment)
}

/** Tells of each refresh until a signal comes, then ends cleanly. */
export async function untilStopped(
  service: Service,
  lines: RefreshLines,
  { stdout, signal }: Environment,
): Promise<void> {
  lines.writeTo((line) => stdout.write(`${line}\n`))
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
  stdout.write('stopping; refreshes under way are finished first\n')
  await service.stop()
}

/** A command that works when it is pasted, and never shows the key. */
export const tokenLine = (url: string, keyFile: string, grant: string): string =>
  `curl -sH "Authorization: Bearer $(cat ${quoted(keyFile)})" ${url}/v1/grants/${grant}/token`

const quoted = (text: string): string =>
  /^[\w./@%+=:,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`

/** The path as somebody in this folder would write it, where that is shorter. */
export function shortest(file: string, cwd: string): string {
  const relative = path.relative(cwd, file)
  return relative.length < file.length && !relative.startsWith('..') ? relative : file
}

function namesText(names: readonly string[]): string {
  if (names.length === 0) return 'no grants yet (evertoken add makes one)'
  return names.length > 5 ? `${names.slice(0, 5).join(', ')} and more` : names.join(', ')
}
