/**
 * What the provider answers to everybody: whether refusals are about single grants, or about the provider itself.
 * Plain data, bounded; times are store time in milliseconds.
 */
export interface Answers {
  /** `invalid_grant` of the last five minutes, one for each grant, oldest first. */
  readonly refusals: readonly { readonly grant: string; readonly at: number }[]
  /** About how many grants it gave an answer: since then, and in the five minutes before. */
  readonly asked: { readonly since: number; readonly grants: number; readonly before: number }
  readonly incident?: Incident | undefined
}

/** It refuses everybody since `since`: no refusal is believed before `until`. `seen`: when that was last found to be so. */
export interface Incident {
  readonly since: number
  readonly until: number
  readonly seen: number
}

const span = 5 * 60_000
/** A provider that refuses everybody for longer than this means it. */
const longest = 24 * 60 * 60_000
/** Refusals that begin again within this belong to the same incident, so that a day of it ends. */
const gap = 60 * 60_000
const fewest = 5
const share = 0.2
/** Remembered for each provider; that many dead logins in five minutes are no coincidence, however many live ones there are. */
const mostRefusals = 128

export const noAnswers = (now: number): Answers => ({
  refusals: [],
  asked: { since: now, grants: 0, before: 0 },
})

const inSpan = ({ refusals }: Answers, now: number): Answers['refusals'] =>
  refusals.filter(({ at }) => at > now - span)

function askedMore({ asked }: Answers, more: number, now: number): Answers['asked'] {
  const age = now - asked.since
  if (age < span) return { ...asked, grants: asked.grants + more }
  return { since: now, grants: more, before: age < 2 * span ? asked.grants : 0 }
}

/** How many grants were asked about in the last five minutes, near enough. */
const askedLately = ({ since, grants, before }: Answers['asked'], now: number): number =>
  grants + before * Math.max(0, 1 - (now - since) / span)

/** That many grants were given a token: where it gives some, it does not refuse everybody for much longer. */
export function withTokens(answers: Answers, grants: number, now: number): Answers {
  const { incident } = answers
  const refusals = inSpan(answers, now)
  const asked = askedMore(answers, grants, now)
  if (incident === undefined || now - incident.seen >= gap) return { refusals, asked }
  const over = (refusals.at(-1)?.at ?? now - span) + span
  return { refusals, asked, incident: { ...incident, until: Math.min(incident.until, over) } }
}

/** One grant was refused. When many are, it lasts until the provider gives tokens again, for a day at most. */
export function withRefusal(answers: Answers, grant: string, now: number): Answers {
  const lately = inSpan(answers, now)
  const others = lately.filter((refusal) => refusal.grant !== grant)
  const refusals = [...others, { grant, at: now }].slice(-mostRefusals)
  const asked = askedMore(answers, others.length === lately.length ? 1 : 0, now)
  const many =
    refusals.length >= fewest &&
    (refusals.length >= share * askedLately(asked, now) || refusals.length >= mostRefusals)
  if (!many) return { refusals, asked, incident: answers.incident }
  const before = answers.incident
  const since = before !== undefined && now - before.seen < gap ? before.since : now
  return { refusals, asked, incident: { since, until: since + longest, seen: now } }
}

/** Whether a refusal says nothing about the grant at present. */
export const inIncident = ({ incident }: Answers, now: number): boolean =>
  incident !== undefined && now >= incident.since && now < incident.until
