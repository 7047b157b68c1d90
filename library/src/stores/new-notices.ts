import type { GrantRecord } from '../grants/grant.ts'
import type { Notice } from '../grants/notice.ts'

/** How many notices a record is loaded with: the last ones. */
export const loadedNotices = 50

/** Notices that a change adds; those that it leaves out stay. A login may be in the same trouble again, later. */
export function newNotices(before: GrantRecord | undefined, after: GrantRecord): readonly Notice[] {
  const known = before?.notices ?? []
  if (known === after.notices) return []
  return after.notices.filter(
    (notice) =>
      !known.some(
        ({ kind, epoch, at }) =>
          kind === notice.kind && epoch === notice.epoch && Math.round(at) === Math.round(notice.at),
      ),
  )
}
