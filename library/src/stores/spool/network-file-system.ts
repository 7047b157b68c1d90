import { readFileSync, statfsSync } from 'node:fs'
import path from 'node:path'
import { EvertokenError } from '../../errors.ts'

/** `f_type` of statfs(2) on Linux. */
const networkTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xfe534d42, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0x5346414f, 'AFS'],
  [0x73757245, 'Coda'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x47504653, 'GPFS'],
  [0x19830326, 'FhGFS'],
])
const fuse = 0x65735546
/** FUSE is local for many (encryption, containers), so its own word for itself decides. */
const networkFuse =
  /^fuse\.(sshfs|s3fs|gcsfuse|rclone|glusterfs|ceph.*|juicefs|goofys|davfs2?|curlftpfs|smbnetfs|nfs.*)$/

/** What the machine says of its file systems; tests say something else. */
export interface FileSystems {
  /** `f_type` of statfs(2). */
  type(folder: string): number
  /** /proc/self/mountinfo, proc(5). */
  mounts(): string
}

const systemFileSystems: FileSystems = {
  type: (folder) => statfsSync(folder).type,
  mounts: () => readFileSync('/proc/self/mountinfo', 'utf8'),
}

/**
 * Locks and shared memory of SQLite do not hold between machines, and over a network often not between processes:
 * two of them would spend one refresh token. Checked on Linux only.
 *
 * @throws EvertokenError `store_unavailable`.
 */
export function refuseNetworkFileSystem(folder: string, systems: FileSystems = systemFileSystems): void {
  if (process.platform !== 'linux') return
  const name = networkName(folder, systems)
  if (name === undefined) return
  throw new EvertokenError('store_unavailable', `${folder} is on a network file system (${name})`, {
    advice: 'Put the file on a local disk; for several machines use the PostgreSQL store.',
  })
}

function networkName(folder: string, systems: FileSystems): string | undefined {
  try {
    const type = systems.type(folder) >>> 0
    if (type !== fuse) return networkTypes.get(type)
    const found = mountType(path.resolve(folder), systems.mounts())
    return networkFuse.test(found) ? found : undefined
  } catch {
    // A system that cannot say is no reason to refuse.
    return undefined
  }
}

/** The type of the mount that a folder is in: the longest mount point above it, the last of several. */
function mountType(folder: string, mounts: string): string {
  let longest = { point: '', type: '' }
  for (const line of mounts.split('\n')) {
    const [before = '', after = ''] = line.split(' - ')
    const point = (before.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    )
    const isAbove = point === '/' || folder === point || folder.startsWith(`${point}/`)
    if (point !== '' && isAbove && point.length >= longest.point.length)
      longest = { point, type: after.split(' ')[0] ?? '' }
  }
  return longest.type
}
