import { EvertokenError } from '../errors.ts'
import { secondaryDialect } from '../oauth/secondary-tokens.ts'
import type { TokenResponse } from '../oauth/token-answer.ts'
import { type GrantDefinition, openedDefinition } from './definition.ts'
import { durableWrite } from './durable-write.ts'
import type { GrantRecord } from './grant.ts'
import { checkGrantId } from './grant-id.ts'
import { newLogin } from './new-login.ts'
import type { RefreshContext } from './refresh.ts'
import { changedGrant, newGrant } from './registration.ts'
import type { Seal } from './seal.ts'
import type { Change, Moment } from './store.ts'

/*
 * One consent may bring several logins: Slack gives a person's tokens beside a bot's, each with a refresh token of its own that is
 * spent by itself. So each is a grant of its own, `work.user` beside `work`: with its own lease, attempts, rotation and end.
 */

type SecondaryContext = Pick<RefreshContext, 'store' | 'clock' | 'timing'>

/** The name of the grant that keeps a secondary token of another. */
const secondaryId = (id: string, name: string): string => `${id}.${name}`

/** The names of the secondary tokens that a grant's logins may bring; what is minted has none. */
function secondaryNames({ grantType, client: { dialect } }: GrantDefinition): readonly string[] {
  const isLogin = grantType === 'authorization_code' || grantType === 'refresh_token'
  return isLogin ? Object.keys(dialect?.answer?.secondary_tokens ?? {}) : []
}

/** Throws `invalid_grant_id` unless every secondary token can have a grant. */
export function checkSecondaryIds(id: string, definition: GrantDefinition): void {
  for (const name of secondaryNames(definition)) checkGrantId(secondaryId(id, name))
}

/** The same client and profile, for a refresh token that came beside another. */
function secondaryDefinition(definition: GrantDefinition, id: string, name: string): GrantDefinition {
  const { authorizationParameters: _, refreshToken: __, ...common } = definition
  const { dialect } = definition.client
  const answer = dialect?.answer
  return Object.freeze({
    ...common,
    grantType: 'refresh_token',
    // What it was granted is told by the answer that brought it: the scope of the grant was asked for the other token.
    scope: Object.freeze([]),
    // It is no login of its own that a provider counts.
    facts: Object.freeze({ ...definition.facts, loginLimit: undefined }),
    client: Object.freeze({
      ...definition.client,
      dialect: dialect && answer && { ...dialect, answer: secondaryDialect(answer, name) },
    }),
    secondaryOf: id,
  })
}

/** Whether a grant is a secondary one of that other, and no other of its name. */
function isSecondaryOf(seal: Seal, record: GrantRecord, id: string): boolean {
  try {
    return openedDefinition(seal, record).secondaryOf === id
  } catch {
    return false
  }
}

const taken = (id: string, other: string): EvertokenError =>
  new EvertokenError(
    'grant_exists',
    `grant ${id} brings tokens for ${other}, and there is another grant ${other}`,
    {
      grant: other,
      advice: `Remove ${other}, or give it another name; then consent to ${id} again.`,
    },
  )

/** Throws `grant_exists` where the name of a secondary grant is another grant's: sooner than when its tokens have come. */
export async function checkSecondaryNames(
  { store }: Pick<SecondaryContext, 'store'>,
  id: string,
  definition: GrantDefinition,
): Promise<void> {
  for (const name of secondaryNames(definition)) {
    const record = await store.read(secondaryId(id, name))
    if (record !== undefined && !isSecondaryOf(store.seal, record, id)) throw taken(id, record.id)
  }
}

/** A login that brought secondary tokens. */
export interface SecondaryLogin {
  readonly id: string
  /** Of the login's grant, which its secondary ones inherit. Asked once that is known. */
  readonly labels: () => GrantRecord['labels']
  readonly definition: GrantDefinition
  readonly response: TokenResponse
  /** UTC ms before the request for the tokens. */
  readonly askedAt: number
}

/**
 * Makes or renews the grants of the secondary tokens that a login brought; whatever became of an earlier one, this is a new login.
 *
 * @param wanted whether the login itself was kept; undefined while that is not decided. It is asked inside of each transaction, which is
 *   the login's own where both are begun in one turn.
 * @returns the records that were written.
 * @throws EvertokenError `grant_exists` for a name that another grant has.
 */
export async function keepSecondaries(
  context: SecondaryContext,
  login: SecondaryLogin,
  wanted: () => boolean | undefined,
  decided: Promise<unknown>,
): Promise<readonly GrantRecord[]> {
  const { store, clock } = context
  const { id, definition, response } = login
  const kept = await Promise.allSettled(
    Object.entries(response.secondary ?? {}).map(async ([name, tokens]) => {
      const own = secondaryDefinition(definition, id, name)
      const other = secondaryId(id, name)
      const write = () =>
        durableWrite(
          () =>
            store.update(other, (row, moment) =>
              renewed(context, row, own, tokens, login, other, wanted(), moment),
            ),
          clock,
        )
      const first = await write()
      if (first !== 'undecided') return first
      await decided
      return write()
    }),
  )
  const failed = kept.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return kept.flatMap((result) =>
    result.status === 'fulfilled' && typeof result.value === 'object' ? [result.value] : [],
  )
}

type Kept = GrantRecord | 'undecided' | 'unwanted'

function renewed(
  context: SecondaryContext,
  row: GrantRecord | undefined,
  definition: GrantDefinition,
  response: TokenResponse,
  { id, labels, askedAt }: SecondaryLogin,
  other: string,
  wanted: boolean | undefined,
  moment: Moment,
): Change<Kept> {
  if (wanted !== true) return { result: wanted === false ? 'unwanted' : 'undecided' }
  const { store, clock } = context
  const utc = clock.now()
  if (row !== undefined && !isSecondaryOf(store.seal, row, id)) throw taken(id, other)
  const described =
    row === undefined
      ? newGrant(store, other, definition, { labels: labels() }, utc, moment)
      : changedGrant(
          store,
          row,
          openedDefinition(store.seal, row),
          definition,
          { labels: labels() },
          utc,
          moment,
        )
  const brought = { definition, response, askedAt }
  const record = newLogin(context, described, brought, moment.time.at, `it came with the login of ${id}`)
  return { result: record, record }
}

/** The secondary grants that there are take over what changed of the definition that they share. */
export async function ensureSecondaries(
  { store, clock }: Pick<SecondaryContext, 'store' | 'clock'>,
  id: string,
  definition: GrantDefinition,
): Promise<void> {
  const { seal } = store
  for (const name of secondaryNames(definition))
    await store.update(secondaryId(id, name), (row, moment) => {
      if (row === undefined || !isSecondaryOf(seal, row, id)) return { result: undefined }
      const own = secondaryDefinition(definition, id, name)
      const next = changedGrant(store, row, openedDefinition(seal, row), own, {}, clock.now(), moment)
      const same = next.definitionFingerprint === row.definitionFingerprint
      return same ? { result: undefined } : { result: undefined, record: next }
    })
}
