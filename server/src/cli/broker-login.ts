import type { GrantSummary } from 'evertoken'
import type { Environment } from './environment.ts'
import type { Consent, Grants } from './grants.ts'
import { inTime, invite } from './invitation.ts'
import type { LoginOptions } from './login.ts'
import { withProgress } from './progress.ts'

/** Often enough that nobody waits for us, seldom enough that a broker does not notice. */
const pollEvery = 1_000

/** The person consents on a page of the broker; we look until it says that the grant is active. */
export async function brokerLogin(
  before: GrantSummary,
  consent: Extract<Consent, { kind: 'broker' }>,
  grants: Grants,
  { open, otherAccount }: Pick<LoginOptions, 'open' | 'otherAccount'>,
  environment: Environment,
): Promise<GrantSummary> {
  const { id } = before
  const begun = await consent.begin(id, otherAccount)
  const { expiresAt } = begun
  await invite(begun, open, environment)
  const over = new AbortController()
  const consented = async (): Promise<GrantSummary> => {
    for (;;) {
      await environment.clock.sleep(pollEvery, { signal: AbortSignal.any([over.signal, environment.signal]) })
      over.signal.throwIfAborted()
      environment.signal.throwIfAborted()
      const now = await grants.show(id)
      // A grant that was active stays so until the new consent: only that changes its date.
      if (now.state === 'active' && now.updatedAt !== before.updatedAt) return now
    }
  }
  try {
    const waiting = inTime(id, expiresAt, environment, consented())
    return await withProgress(`waiting for somebody to consent to ${id}`, environment, waiting)
  } finally {
    over.abort()
  }
}
