import { InvalidGrantError } from '../errors.ts'
import type { Secret } from '../secret.ts'
import type { Pair } from './first-use.ts'
import { type AccessTokenUse, answered, type MeasuredServer, type Spent } from './measured-server.ts'
import type { Refusal } from './measurement.ts'
import type { ReplayObservation } from './replay-observation.ts'

/** A refresh token after its first use, and what that brought. */
export interface UsedLogin {
  readonly used: Secret
  readonly child: Secret | undefined
  readonly accessToken: Secret
}

export interface ReplayFinding {
  readonly seen: ReplayObservation
  readonly sameAccessToken?: boolean | undefined
  readonly refusal?: Refusal | undefined
}

/** Nothing was sent that could have ended it. */
export const refusedUnused = (error: string): InvalidGrantError =>
  new InvalidGrantError(
    'invalid_grant',
    'a refresh token that this measurement had not used before was refused',
    {
      error,
      advice:
        'Either it was used elsewhere, or this server ends all logins of a person with one. Take logins of several people, or let the measurement ask for a consent each time.',
    },
  )

/** Uses the refresh token of a login for the first time. Throws InvalidGrantError where it is refused. */
export async function firstUsed(server: MeasuredServer, { refreshToken }: Pair): Promise<UsedLogin> {
  const first = answered(await server.refresh(refreshToken))
  if (first.kind === 'refused') throw refusedUnused(first.error)
  return { used: refreshToken, child: first.child, accessToken: first.accessToken }
}

/**
 * Sends a used refresh token again, and then looks at what is left of the login. `order`: which of two children is used
 * first, since the use of a dead one may end the other.
 */
export async function observeReplay(
  server: MeasuredServer,
  { used, child, accessToken }: UsedLogin,
  use: AccessTokenUse | undefined,
  order: 'first_child_first' | 'second_child_first',
): Promise<ReplayFinding> {
  const again = await server.refresh(used)
  if (again.kind !== 'tokens')
    return {
      seen: { again: 'refused' },
      refusal: await observeRefusal(server, again, { child, accessToken }, use),
    }
  const brought = again.child
  if (brought === undefined || child === undefined) return { seen: { again: 'no_child' } }
  const works = async (token: Secret): Promise<boolean> =>
    answered(await server.refresh(token)).kind === 'tokens'
  if (brought.reveal() === child.reveal())
    return {
      seen: { again: 'same_child', childWorks: await works(child) },
      sameAccessToken: again.accessToken.reveal() === accessToken.reveal(),
    }
  if (order === 'second_child_first') {
    const secondWorks = await works(brought)
    return { seen: { again: 'another_child', firstWorks: await works(child), secondWorks } }
  }
  const firstWorks = await works(child)
  return { seen: { again: 'another_child', firstWorks, secondWorks: await works(brought) } }
}

/**
 * What became of the rest of a login whose used refresh token was refused, or broke the server: that it was the token and no
 * outage is shown by the child, whose refresh is answered.
 */
export async function observeRefusal(
  server: MeasuredServer,
  again: Exclude<Spent, { kind: 'tokens' }>,
  { child, accessToken }: Pick<UsedLogin, 'child' | 'accessToken'>,
  use: AccessTokenUse | undefined,
): Promise<Refusal> {
  // Before the refresh, which may end this access token in the ordinary way.
  const accepted = use === undefined ? undefined : await server.accepts(use, accessToken)
  const after = child === undefined ? answered(again) : answered(await server.refresh(child))
  return {
    error: again.kind === 'refused' ? again.error : `status ${again.status}`,
    endsLogin: after.kind === 'refused',
    ...(accepted === undefined ? {} : { endsAccessToken: !accepted }),
  }
}
