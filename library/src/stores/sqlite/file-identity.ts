import { statSync } from 'node:fs'

/** Which file a store was made in: a copy is another file, and says of itself what the first one said. */
export interface FileIdentity {
  readonly inode: string
  readonly device: string
  /** Devices are numbered anew at each start of the machine. */
  readonly boot: string
}

export function fileIdentity(file: string, boot: string): FileIdentity {
  // It is not opened: closing it by other means than SQLite's would drop SQLite's locks on it (POSIX).
  const { ino, dev } = statSync(file, { bigint: true })
  return { inode: String(ino), device: String(dev), boot }
}

export const isSameFile = (recorded: FileIdentity, found: FileIdentity): boolean =>
  recorded.inode === found.inode && (recorded.device === found.device || recorded.boot !== found.boot)
