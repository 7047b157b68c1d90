import type { Secret } from '../secret.ts'
import { type AccessTokenUse, answered, type MeasuredServer, type Spent } from './measured-server.ts'
import type { IntrospectionFinding, Measurement } from './measurement.ts'
import { refusedUnused } from './replay.ts'

/** A login with both of its tokens, none of them used. */
export interface Pair {
  readonly accessToken: Secret
  readonly refreshToken: Secret
}

/** What ordinary refreshes show: nothing is sent that an honest client would not send, but for the questions about tokens. */
export type FirstUse = Pick<
  Measurement,
  'rotation' | 'oldAccessToken' | 'accessTokenUse' | 'introspection'
> & {
  /** The word of the refusal, where the refresh token of an ordinary refresh was refused. */
  readonly refused?: string | undefined
}

const uses: readonly AccessTokenUse[] = ['call', 'userinfo', 'introspection']

/** Refreshes a login twice, and asks about the tokens before and after. */
export async function observeFirstUse(server: MeasuredServer, login: Pair): Promise<FirstUse> {
  const { accessToken, refreshToken } = login
  const accessTokenUse = await trustedUse(server, accessToken)
  const accepts = async (token: Secret): Promise<boolean | undefined> =>
    accessTokenUse === undefined ? undefined : server.accepts(accessTokenUse, token)
  const activeBefore = await server.introspect(refreshToken, 'refresh_token')

  const first = answered(await server.refresh(refreshToken))
  if (first.kind === 'refused') {
    if (activeBefore !== true) throw refusedUnused(first.error)
    return endedByQuestion(first, accessTokenUse)
  }
  const oldAfterRefresh = await accepts(accessToken)
  // Before the new access token is used, which at some servers is what ends the old refresh token.
  const activeAfter =
    first.child === undefined ? undefined : await server.introspect(refreshToken, 'refresh_token')
  await accepts(first.accessToken)
  const oldAfterUse = oldAfterRefresh === true ? await accepts(accessToken) : oldAfterRefresh
  const second = answered(await server.refresh(first.child ?? refreshToken))

  return {
    rotation: rotationOf(first, second),
    accessTokenUse,
    oldAccessToken: oldTokenOf(oldAfterRefresh, oldAfterUse),
    introspection: introspectionOf(activeBefore, activeAfter, first, second),
    ...(second.kind === 'refused' ? { refused: second.error } : {}),
  }
}

/** The first way of asking that says a token is good which has just come; the others would prove nothing by a no. */
async function trustedUse(server: MeasuredServer, fresh: Secret): Promise<AccessTokenUse | undefined> {
  for (const use of uses) if ((await server.accepts(use, fresh)) === true) return use
  return undefined
}

/** It was said to be alive, and did not survive that somebody asked. */
const endedByQuestion = (
  { error }: Extract<Spent, { kind: 'refused' }>,
  accessTokenUse: AccessTokenUse | undefined,
): FirstUse => ({
  rotation: 'always',
  oldAccessToken: 'unknown',
  accessTokenUse,
  introspection: 'ends_logins',
  refused: error,
})

function rotationOf(first: Spent, second: Spent): Measurement['rotation'] {
  const rotated = [first, second].flatMap((spent) =>
    spent.kind === 'tokens' ? [spent.child !== undefined] : [],
  )
  if (rotated.every((one) => one)) return 'always'
  return rotated.some((one) => one) ? 'sometimes' : 'never'
}

function oldTokenOf(
  afterRefresh: boolean | undefined,
  afterUse: boolean | undefined,
): Measurement['oldAccessToken'] {
  if (afterRefresh === undefined || afterUse === undefined) return 'unknown'
  if (!afterRefresh) return 'ends_at_refresh'
  return afterUse ? 'lives_on' : 'ends_at_use_of_the_new'
}

function introspectionOf(
  before: boolean | undefined,
  after: boolean | undefined,
  first: Extract<Spent, { kind: 'tokens' }>,
  second: Spent,
): IntrospectionFinding {
  if (before === undefined) return 'unavailable'
  if (second.kind === 'refused') return 'ends_logins'
  if (first.child === undefined) return 'no_used_tokens'
  return before && after === false ? 'tells_used_tokens' : 'tells_nothing'
}
