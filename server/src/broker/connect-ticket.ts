import { hash, randomBytes } from 'node:crypto'
import { EvertokenError, type GrantStore } from 'evertoken'

/**
 * The right to begin one consent to one grant, to be handed to a person as a link. It is kept where consents are, by
 * its hash alone, so any broker on the store can take it and a restart does not lose it.
 */
export interface Ticket {
  readonly grant: string
  /** UTC ms. */
  readonly expiresAt: number
  /** Whoever consents may be another account than before. */
  readonly otherAccount?: boolean | undefined
}

const shape = /^[A-Za-z0-9_-]{43}$/

/** Another place than the state of a consent has, which is hashed as it is. */
const placeOf = (text: string): string => hash('sha256', `connect-ticket ${text}`, 'hex')

/** Makes a ticket and gives its text: 256 random bits as base64url. */
export async function issueTicket(store: GrantStore, ticket: Ticket): Promise<string> {
  const text = randomBytes(32).toString('base64url')
  await keepTicket(store, text, ticket)
  return text
}

/** Puts a ticket (back), for a consent that could not be begun. */
export async function keepTicket(
  store: GrantStore,
  text: string,
  { grant, expiresAt, otherAccount }: Ticket,
): Promise<void> {
  const place = { grant, field: 'consent', fence: 0 } as const
  await store.putConsent({
    grant,
    expiresAt,
    stateHash: placeOf(text),
    sealed: store.seal.seal(JSON.stringify({ ticket: true, otherAccount }), place),
  })
}

/** Takes a ticket: it is good once. Throws `state_unknown` for one that is used, expired or never was. */
export async function takeTicket(store: GrantStore, text: string, now: number): Promise<Ticket> {
  const kept = shape.test(text) ? await store.takeConsent(placeOf(text)) : undefined
  if (kept === undefined || kept.expiresAt <= now)
    throw new EvertokenError('state_unknown', 'this link was used already, or it has expired', {
      advice: 'Ask whoever sent it for a new one: a link is good once, for ten minutes.',
    })
  // Opens only where it was sealed: a row that somebody wrote or moved is none of ours.
  const opened = store.seal.open(kept.sealed, { grant: kept.grant, field: 'consent' })
  const { otherAccount } = JSON.parse(opened) as Pick<Ticket, 'otherAccount'>
  return { grant: kept.grant, expiresAt: kept.expiresAt, otherAccount }
}
