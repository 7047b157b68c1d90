import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'

/** Says which store the spool of a folder belongs to. */
export interface Marker {
  readonly spoolId: string
  readonly storeId: string
  readonly instanceId: string
  /** What the store's own counter was when somebody last looked; the store is never behind it, an older copy is. */
  readonly counter: number
}

const place = (folder: string): string => path.join(folder, 'marker.json')

/** Undefined where there is none, `damaged` where it cannot be read as one. */
export function readMarker(folder: string): Marker | 'damaged' | undefined {
  let text: string
  try {
    text = readFileSync(place(folder), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const { spoolId, storeId, instanceId, counter } = JSON.parse(text) as Partial<Marker>
    if (typeof spoolId !== 'string' || typeof storeId !== 'string' || typeof instanceId !== 'string')
      return 'damaged'
    return { spoolId, storeId, instanceId, counter: Number(counter ?? 0) }
  } catch {
    return 'damaged'
  }
}

/** Writes the first marker of a folder; of several processes one wins. */
export const createMarker = (folder: string, marker: Marker): void =>
  write(folder, marker, (draft) => {
    try {
      linkSync(draft, place(folder))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  })

export const replaceMarker = (folder: string, marker: Marker): void =>
  write(folder, marker, (draft) => renameSync(draft, place(folder)))

function write(folder: string, marker: Marker, publish: (draft: string) => void): void {
  const draft = `${place(folder)}.${crypto.randomUUID()}`
  try {
    const descriptor = openSync(draft, 'wx', 0o600)
    try {
      writeSync(descriptor, `${JSON.stringify(marker)}\n`)
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
    publish(draft)
  } finally {
    rmSync(draft, { force: true })
  }
  syncFolder(folder)
}

/** Makes the names in a folder durable. */
function syncFolder(folder: string): void {
  // Windows opens no folders, and writes their entries at once.
  if (process.platform === 'win32') return
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}
