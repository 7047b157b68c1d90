import { EvertokenError } from '../errors.ts'

/** What can name a grant: it stands in a URL, a file name and a shell without quoting. */
export const grantIdPattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$'

const shape = new RegExp(grantIdPattern)

/** Whether it can name a grant, whether or not there is one. */
export const isGrantId = (id: unknown): id is string => typeof id === 'string' && shape.test(id)

/** Throws `invalid_grant_id` unless it can name a grant. */
export function checkGrantId(id: string): void {
  if (isGrantId(id)) return
  throw new EvertokenError(
    'invalid_grant_id',
    `${JSON.stringify(String(id).slice(0, 200))} cannot name a grant`,
    {
      advice: 'Use letters, digits, dot, dash and underscore, beginning with a letter or digit, up to 128.',
    },
  )
}
