import type { GrantRecord } from './grant.ts'
import type { LoginLimit } from './lifetime-facts.ts'
import type { GrantSummary } from './summary.ts'

/** How many logins live at a time at a provider, and which ones of ours are counted together. */
export interface SharedLoginLimit extends LoginLimit {
  /** The same for grants of one client and account, or of one client where nobody knows the account. Says nothing else. */
  readonly group: string
}

/** The limit that a grant's login counts against; undefined where it has none, or no login that lives. */
export function sharedLoginLimit({
  circuit,
  facts: { loginLimit },
  loginAt,
  status: { state },
  subject,
}: GrantRecord): SharedLoginLimit | undefined {
  if (loginLimit === undefined || loginAt === undefined) return undefined
  if (state === 'pending' || state === 'reauthorization_required' || state === 'revoked') return undefined
  const group = [...circuit.split('\n'), ...(subject === undefined ? [] : [subject])].join(' ')
  return { ...loginLimit, group }
}

/** More logins than a provider keeps alive at a time: the oldest of them dies, or has died already. */
export interface CrowdedLogins extends LoginLimit {
  readonly provider: string
  /** Their grants, in order of their names. */
  readonly grants: readonly string[]
}

/** Which of these grants are more than their provider keeps alive at a time. */
export function crowdedLogins(grants: Iterable<GrantSummary>): readonly CrowdedLogins[] {
  const groups = new Map<string, GrantSummary[]>()
  for (const grant of grants) {
    if (grant.loginLimit === undefined) continue
    const { group } = grant.loginLimit
    groups.set(group, [...(groups.get(group) ?? []), grant])
  }
  return [...groups.values()].flatMap((members) => {
    const [first] = members
    if (first?.loginLimit === undefined || members.length <= first.loginLimit.count) return []
    const { count, per } = first.loginLimit
    return [{ count, per, provider: first.provider, grants: members.map(({ id }) => id).sort() }]
  })
}
