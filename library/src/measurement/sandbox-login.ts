import type { Clock } from '../clock.ts'
import { EvertokenError } from '../errors.ts'
import { openedToken } from '../grants/answer.ts'
import { circuitKey, type GrantDefinition, openedDefinition, providerName } from '../grants/definition.ts'
import { findToken, type GrantRecord, ownToken } from '../grants/grant.ts'
import { Keeper } from '../grants/keeper.ts'
import type { GrantStore } from '../grants/store.ts'
import type { Transport } from '../oauth/transport.ts'
import { Secret } from '../secret.ts'
import { memoryStore } from '../stores/memory.ts'

/** A login that may be ended: both tokens are unused, and nobody else has them. */
export interface SandboxLogin {
  readonly refreshToken: Secret
  /** Absent where only the refresh token was handed over. */
  readonly accessToken?: Secret | undefined
}

/** The name under which a sandbox login is consented to. */
export const sandboxGrant = 'probe'

export interface ConsentedLoginOptions {
  transport?: Transport | undefined
  clock?: Clock | undefined
}

/**
 * A new login to measure with. `consent` gets a keeper that holds the definition as the grant `probe` and nothing else, and
 * resolves when a person has consented to it; afterwards no keeper has the login any more.
 *
 * @throws EvertokenError `no_refresh_token` when the consent brought none, and what a consent may bring.
 */
export async function consentedLogin(
  definition: GrantDefinition,
  consent: (keeper: Keeper) => Promise<unknown>,
  { transport, clock }: ConsentedLoginOptions = {},
): Promise<SandboxLogin> {
  const store = memoryStore({ clock, ephemeral: true })
  await using keeper = await Keeper.open({ store, transport, clock })
  await keeper.add(sandboxGrant, definition)
  await consent(keeper)
  const { seal } = keeper.store
  const record = await keeper.store.read(sandboxGrant)
  const held = record?.refreshToken
  const own = record === undefined ? undefined : findToken(record, ownToken)
  if (held === undefined)
    throw new EvertokenError('no_refresh_token', 'the consent brought no refresh token to measure with', {
      advice:
        'Ask for offline access where the provider has a name for it: the scope offline_access, or a parameter of the authorization request (prompt=consent, access_type=offline).',
    })
  return {
    refreshToken: new Secret(seal.open(held.sealed, { grant: sandboxGrant, field: 'refresh_token' })),
    accessToken: own === undefined ? undefined : openedToken(seal, sandboxGrant, own),
  }
}

const pageSize = 100

/**
 * Grants of a store that are logins of the same client at the same provider, by id: a measurement with that client may end
 * them. Revoked ones are none. One whose definition does not decrypt is judged by what stands beside it in clear, the name of its
 * provider as it was written and its client: who knows whether a backup brings it back.
 */
export async function loginsOfClient(store: GrantStore, definition: GrantDefinition): Promise<string[]> {
  const found: string[] = []
  const host = hostOf(definition)
  for (let after: string | undefined; ; ) {
    const page = await store.list({ after, limit: pageSize })
    for (const record of page) {
      if (record.grantType === 'client_credentials' || record.grantType === 'jwt_bearer') continue
      if (record.status.state === 'revoked') continue
      if (isOfClient(store, record, definition, host)) found.push(record.id)
    }
    after = page.at(-1)?.id
    if (page.length < pageSize) return found
  }
}

function isOfClient(
  { seal }: GrantStore,
  record: GrantRecord,
  definition: GrantDefinition,
  host: string,
): boolean {
  let other: GrantDefinition
  try {
    other = openedDefinition(seal, record)
  } catch {
    return record.circuit === circuitKey(definition)
  }
  return other.client.clientId === definition.client.clientId && hostOf(other) === host
}

/** An issuer and its token endpoint are two names of one provider, and mostly one host. */
function hostOf(definition: GrantDefinition): string {
  const name = providerName(definition)
  return URL.parse(name)?.host ?? name
}
