import { parseArgs } from 'node:util'
import type { ClocklessEnvironment } from './environment.ts'
import { token } from './token.ts'

/**
 * `evertoken token NAME` without the argument parser, YAML and the rest: it stands in front of every request of somebody's
 * shell script. Undefined when there is more to say than a token, such as help or what is wrong with the arguments.
 */
export async function quickToken(
  args: readonly string[],
  environment: ClocklessEnvironment,
): Promise<number | undefined> {
  const parsed = parse(args)
  if (parsed === undefined) return undefined
  const { id, options } = parsed
  try {
    await token(id, options, environment)
    return 0
  } catch (error) {
    const { reportError } = await import('./error-report.ts')
    return reportError(error, options.json === true, environment)
  }
}

function parse(args: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'min-ttl': { type: 'string' },
        scope: { type: 'string', multiple: true },
        resource: { type: 'string' },
        show: { type: 'boolean' },
        json: { type: 'boolean' },
        data: { type: 'string' },
        broker: { type: 'string' },
        'key-file': { type: 'string' },
      },
    })
    const { 'min-ttl': ttl, 'key-file': keyFile, ...options } = values
    const minTtl = ttl === undefined ? undefined : Number(ttl)
    const [id, ...more] = positionals
    if (id === undefined || more.length > 0 || ttl?.trim() === '') return undefined
    if (minTtl !== undefined && !(minTtl >= 0 && Number.isFinite(minTtl))) return undefined
    return { id, options: { ...options, minTtl, keyFile } }
  } catch {
    return undefined
  }
}
