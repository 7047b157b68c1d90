import { storedNoticeBody } from '../broker/notices.ts'
import type { Environment } from './environment.ts'
import { type GrantsOptions, openGrants } from './grants.ts'
import { table } from './table.ts'

export interface NoticesOptions extends GrantsOptions {
  /** `--after NUMBER`: only newer ones. */
  after?: number | undefined
}

/** What people must know, oldest first. */
export async function notices(options: NoticesOptions, environment: Environment): Promise<void> {
  await using grants = await openGrants(options, environment)
  const all = await grants.notices(options.after ?? 0)
  if (options.json === true) {
    environment.stdout.write(`${JSON.stringify({ notices: all.map(storedNoticeBody) })}\n`)
  } else if (all.length === 0) {
    environment.stderr.write(
      `No ${options.after === undefined ? '' : 'new '}notices in ${grants.location}.\n`,
    )
  } else {
    const rows = all.map((notice) => [
      String(notice.number),
      new Date(notice.at).toISOString().replace(/\.\d+/, ''),
      notice.grant,
      notice.kind,
      notice.message,
    ])
    environment.stdout.write(table(['NO', 'TIME', 'GRANT', 'KIND', 'MESSAGE'], rows))
  }
}
