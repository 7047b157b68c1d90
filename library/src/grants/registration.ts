import { EvertokenError } from '../errors.ts'
import {
  circuitKey,
  type GrantDefinition,
  openedDefinition,
  providerName,
  reveal,
  writeDefinition,
} from './definition.ts'
import {
  type GrantRecord,
  type GrantStatus,
  type HeldRefreshToken,
  mints,
  needsLogin,
  noRefreshToken,
  refreshes,
} from './grant.ts'
import { newProofKey } from './proof-key.ts'
import { rehanded, sameButMetadata } from './rehanding.ts'
import type { GrantStore, Moment } from './store.ts'

export interface RegistrationOptions {
  /** For filters and policy. At most 32, names and values up to 200 characters. */
  labels?: Readonly<Record<string, string>> | undefined
}

function checkLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(labels)
  const fine =
    entries.length <= 32 &&
    entries.every(
      ([name, value]) =>
        typeof value === 'string' && name !== '' && name.length <= 200 && value.length <= 200,
    )
  if (fine) return Object.freeze({ ...labels })
  throw new EvertokenError('invalid_configuration', 'labels are at most 32 short texts by name')
}

function imported(
  store: GrantStore,
  id: string,
  definition: GrantDefinition,
  fence: number,
  utc: number,
): HeldRefreshToken | undefined {
  const token = definition.refreshToken?.reveal()
  if (token === undefined) return undefined
  return {
    sealed: store.seal.seal(token, { grant: id, field: 'refresh_token', fence }),
    fingerprint: store.seal.fingerprint(token),
    receivedAt: utc,
  }
}

/** The parts of a record that a definition decides. */
function described(
  store: GrantStore,
  id: string,
  definition: GrantDefinition,
  fence: number,
): Pick<
  GrantRecord,
  'grantType' | 'provider' | 'circuit' | 'facts' | 'refreshBefore' | 'definition' | 'definitionFingerprint'
> {
  return {
    grantType: definition.grantType,
    provider: providerName(definition),
    circuit: circuitKey(definition),
    facts: definition.facts,
    refreshBefore: definition.refreshBefore === undefined ? undefined : definition.refreshBefore * 1000,
    definition: store.seal.seal(writeDefinition(definition), {
      grant: id,
      field: 'definition',
      fence,
    }),
    definitionFingerprint: store.seal.fingerprint(writeDefinition(definition)),
  }
}

/** A grant seen for the first time: due at once, or pending until a person has logged in. */
export function newGrant(
  store: GrantStore,
  id: string,
  definition: GrantDefinition,
  options: RegistrationOptions,
  utc: number,
  { time }: Moment,
): GrantRecord {
  const pending = needsLogin(definition.grantType)
  const status: GrantStatus = pending ? { state: 'pending' } : { state: 'active' }
  return {
    id,
    labels: checkLabels(options.labels ?? {}),
    ...described(store, id, definition, 1),
    createdAt: utc,
    updatedAt: utc,
    status,
    epoch: pending ? 0 : 1,
    fence: 1,
    refreshToken: imported(store, id, definition, 1, utc),
    proofKey: definition.client.dpop === true ? newProofKey(store.seal, id, 1) : undefined,
    schedule: { dueAt: pending ? null : time.at, backoffUntil: 0, failures: 0 },
    tokens: [],
    attempts: [],
    candidates: [],
    notices: [],
    loginAt: pending ? undefined : utc,
  }
}

/** Where tokens come from and for whom; a page for consent or one more endpoint makes no other login. */
function loginOf({ grantType, client: { provider, clientId } }: GrantDefinition): string {
  const source = provider.kind === 'issuer' ? provider.issuer : provider.metadata.tokenEndpoint
  return JSON.stringify([grantType, source, clientId])
}

/** What tokens are of. Where a declared request mints them, all that is declared and filled in may be. */
const wantedOf = (definition: GrantDefinition): string => {
  const { grantType, scope, resource, parameters, assertion, exchange, client } = definition
  const declared = grantType === 'request' ? client.dialect : undefined
  return JSON.stringify([scope, resource, parameters, assertion, reveal(exchange), declared])
}

/**
 * A grant whose definition changed, typically in evertoken.yaml. The same login goes on with the tokens it has; a
 * new secret is tried at once; another scope or assertion needs another token; another client is another login.
 */
export function changedGrant(
  store: GrantStore,
  record: GrantRecord,
  before: GrantDefinition,
  definition: GrantDefinition,
  options: RegistrationOptions,
  utc: number,
  moment: Moment,
): GrantRecord {
  if (loginOf(before) !== loginOf(definition)) {
    const anew = newGrant(store, record.id, definition, options, utc, moment)
    return {
      ...anew,
      fence: record.fence + 1,
      epoch: record.epoch + 1,
      createdAt: record.createdAt,
      notices: record.notices,
    }
  }
  const labels = checkLabels(options.labels ?? record.labels)
  const fence = record.fence + 1
  const parts = described(store, record.id, definition, fence)
  if (parts.definitionFingerprint === record.definitionFingerprint)
    return { ...record, labels, updatedAt: utc }
  const handed = rehanded(store.seal, record, definition, fence)
  // What is under way would bring an answer as the old definition hands it out.
  if (handed.complete && record.lease === undefined && sameButMetadata(before, definition))
    return { ...record, ...parts, labels, fence, tokens: handed.tokens, updatedAt: utc }
  // A configuration goes on naming the refresh token that the login began with, long after it was spent.
  const again = before.refreshToken?.reveal() === definition.refreshToken?.reveal()
  const received = again ? undefined : imported(store, record.id, definition, fence, utc)
  const held = record.refreshToken
  const sameTokens = wantedOf(before) === wantedOf(definition)
  const { state } = record.status
  // What was refused was the old key or token: the new one has not been asked about.
  const anotherChance =
    (state === 'suspect' || state === 'reauthorization_required') &&
    (received !== undefined || mints(definition.grantType))
  const status: GrantStatus = anotherChance ? { state: 'active' } : record.status
  return {
    ...record,
    ...parts,
    // Kept also by a definition that no longer wants it: what is bound to it stays so, and the client may change its mind.
    proofKey:
      record.proofKey ??
      (definition.client.dpop === true ? newProofKey(store.seal, record.id, fence) : undefined),
    labels,
    fence,
    lease: undefined,
    refreshToken: received ?? held,
    previousRefreshToken: received === undefined ? record.previousRefreshToken : undefined,
    loginAt: received === undefined ? record.loginAt : utc,
    refreshTokenExpiresAt: received === undefined ? record.refreshTokenExpiresAt : undefined,
    candidates: received === undefined ? record.candidates : [],
    tokens: sameTokens || held !== undefined ? handed.tokens : [],
    // Without a refresh token an answer to the old definition is not the new one's.
    attempts:
      held === undefined ? record.attempts.filter((open) => open.parent !== noRefreshToken) : record.attempts,
    status,
    schedule: {
      ...record.schedule,
      dueAt: refreshes(status) ? moment.time.at : record.schedule.dueAt,
      backoffUntil: 0,
    },
    updatedAt: utc,
  }
}

/** As the definition has it: the same record where nothing changed, a new one where there is none. */
export function ensuredGrant(
  store: GrantStore,
  id: string,
  record: GrantRecord | undefined,
  definition: GrantDefinition,
  options: RegistrationOptions,
  utc: number,
  moment: Moment,
): GrantRecord {
  const fresh = newGrant(store, id, definition, options, utc, moment)
  if (record === undefined) return fresh
  const sameLabels =
    options.labels === undefined || JSON.stringify(record.labels) === JSON.stringify(options.labels)
  if (sameLabels && fresh.definitionFingerprint === record.definitionFingerprint) return record
  const before = openedDefinition(store.seal, record)
  return changedGrant(store, record, before, definition, options, utc, moment)
}
