import { EvertokenError } from 'evertoken'
import { Type } from 'typebox'

export const grantParameters = Type.Object({
  id: Type.String({ description: 'The id of the grant.', examples: ['billing'] }),
})

const idShape = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** The grant's id out of the path. What cannot be one is unknown, and is so before any store is asked. */
export function grantId({ id }: { id: string }): string {
  if (idShape.test(id)) return id
  throw new EvertokenError('unknown_grant', 'there is no such grant')
}
