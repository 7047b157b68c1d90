import { EvertokenError, isGrantId } from 'evertoken'
import { Type } from 'typebox'

export const grantParameters = Type.Object({
  id: Type.String({ description: 'The id of the grant.', examples: ['billing'] }),
})

/** The grant's id out of the path. What cannot be one is unknown, and is so before any store is asked. */
export function grantId({ id }: { id: string }): string {
  if (isGrantId(id)) return id
  throw new EvertokenError('unknown_grant', 'there is no such grant')
}
