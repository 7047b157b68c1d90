import { EvertokenError } from '../../errors.ts'

/** No room: on the device, in the quota, or for one file (`ulimit -f`). */
const full = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

export const isFull = (error: unknown): boolean => full.has((error as NodeJS.ErrnoException).code ?? '')

/** What went wrong with a file of the spool, by what an operator can do about it. */
export function spoolError(error: unknown, file: string): EvertokenError {
  if (error instanceof EvertokenError) return error
  const { message } = error as Error
  if (isFull(error))
    return new EvertokenError('disk_full', `the spool ${file} cannot grow: ${message}`, {
      cause: error,
      advice: 'Make room; evertoken goes on by itself. Tokens in the store are still served.',
    })
  return new EvertokenError('spool_unavailable', `the spool ${file} cannot be used: ${message}`, {
    cause: error,
    advice: 'Check that the folder is on a working disk and that this user may write there.',
  })
}
