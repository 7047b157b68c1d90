import type { Revocation, TokenRevocation, ToldTokens, UpstreamRevocation } from 'evertoken'
import { type Static, Type } from 'typebox'

export const upstreamSchema = (description: string) =>
  Type.Optional(
    Type.Unsafe<UpstreamRevocation>({
      type: 'string',
      enum: ['revoked', 'unsupported', 'failed'],
      description,
    }),
  )

const tokenSchema = (description: string) =>
  Type.Optional(
    Type.Object(
      {
        outcome: Type.Unsafe<TokenRevocation['outcome']>({
          type: 'string',
          enum: ['revoked', 'unsupported', 'failed', 'pending'],
          description: 'pending: the provider is told again, at next_attempt_at.',
        }),
        at: Type.String({ format: 'date-time', description: 'When it was last told, or should have been.' }),
        why: Type.Optional(Type.String({ description: 'Why it is neither revoked nor unsupported.' })),
      },
      { description },
    ),
  )

export const toldSchema = (description: string) =>
  Type.Optional(
    Type.Object(
      {
        refresh_token: tokenSchema('Of several the worst; absent where there was none.'),
        access_token: tokenSchema('Of several the worst; absent where there was none that lived.'),
      },
      { description },
    ),
  )

const tokenBody = ({ outcome, at, why }: TokenRevocation) => ({
  outcome,
  at: new Date(at).toISOString(),
  ...(why !== undefined && { why }),
})

export const toldBody = ({ refreshToken, accessToken }: ToldTokens) => ({
  ...(refreshToken !== undefined && { refresh_token: tokenBody(refreshToken) }),
  ...(accessToken !== undefined && { access_token: tokenBody(accessToken) }),
})

export const removalSchema = Type.Object(
  {
    id: Type.String(),
    removed: Type.Literal(true),
    upstream: upstreamSchema(
      'What the provider made of it; absent where there was nothing to revoke. failed: of minted tokens alone, which end by themselves.',
    ),
    told: toldSchema('What became of its tokens at the provider.'),
  },
  { description: 'With revoke=true: it is forgotten, and its login has ended.' },
)

/** What became of a grant that is forgotten, and of its login where that was ended. */
export const removalBody = (
  id: string,
  revocation: Revocation | undefined,
): Static<typeof removalSchema> => ({
  id,
  removed: true,
  ...(revocation !== undefined && { upstream: revocation.upstream }),
  ...(revocation?.told !== undefined && { told: toldBody(revocation.told) }),
})
