import { EvertokenError } from '../../errors.ts'

/** SQLite result codes (sqlite.org/rescode.html), by what an operator can do about them. */
export function storeError(error: unknown, file: string): unknown {
  const { code, errcode, syscall, message } = error as Partial<NodeJS.ErrnoException & { errcode: number }>
  if (error instanceof EvertokenError) return error
  if (code === 'ENOSPC' || (code === 'ERR_SQLITE_ERROR' && ((errcode ?? 0) & 0xff) === 13))
    return new EvertokenError('disk_full', `the disk under ${file} is full`, {
      cause: error,
      advice: 'Make room; evertoken goes on by itself. Tokens in the store are still served.',
    })
  if (syscall !== undefined)
    return new EvertokenError('store_unavailable', `the store ${file} cannot be opened: ${message}`, {
      cause: error,
      advice: 'Check the path and who may write there.',
    })
  if (code !== 'ERR_SQLITE_ERROR') return error
  switch ((errcode ?? 0) & 0xff) {
    case 8:
      return new EvertokenError('store_unavailable', `the store ${file} cannot be written: ${message}`, {
        cause: error,
        advice:
          'Check who may write the file and its folder, and that the disk is not mounted read-only. Tokens in the store are still served.',
      })
    case 14:
      return new EvertokenError('store_unavailable', `the store ${file} cannot be opened: ${message}`, {
        cause: error,
        advice: 'Check that the path is that of a file, and who may read and write there.',
      })
    case 11:
    case 26:
      return new EvertokenError('store_damaged', `${file} is not a sound SQLite database: ${message}`, {
        cause: error,
        advice: 'Restore it from a backup, together with its key file.',
      })
    default:
      return new EvertokenError('store_unavailable', `the store ${file} does not answer: ${message}`, {
        cause: error,
        advice: 'See whether another process holds it, and whether the disk works.',
      })
  }
}
