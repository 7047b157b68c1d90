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

/** Times of an incident, in milliseconds. */
export interface IncidentTiming {
  /** Within which refusals are counted, and after the last of which an incident is over. */
  readonly span: number
  /** A provider that refuses everybody for longer than this means it. */
  readonly longest: number
}

export const defaultIncidentTiming: IncidentTiming = Object.freeze({ span: 300_000, longest: 86_400_000 })

/** Refusals that begin again within so many spans belong to the same incident, so that a day of it ends. */
const gap = 12
const fewest = 5
const share = 0.2
/** Remembered for each provider; that many dead logins in five minutes are no coincidence, however many live ones there are. */
const mostRefusals = 128

export const noAnswers = (now: number): Answers => ({
  refusals: [],
  asked: { since: now, grants: 0, before: 0 },
})

const inSpan = ({ refusals }: Answers, now: number, span: number): Answers['refusals'] =>
  refusals.filter(({ at }) => at > now - span)

function askedMore({ asked }: Answers, more: number, now: number, span: number): Answers['asked'] {
  const age = now - asked.since
  if (age < span) return { ...asked, grants: asked.grants + more }
  return { since: now, grants: more, before: age < 2 * span ? asked.grants : 0 }
}

/** How many grants were asked about in the last five minutes, near enough. */
const askedLately = ({ since, grants, before }: Answers['asked'], now: number, span: number): number =>
  grants + before * Math.max(0, 1 - (now - since) / span)

/** That many grants were given a token: where it gives some, it does not refuse everybody for much longer. */
export function withTokens(
  answers: Answers,
  grants: number,
  now: number,
  { span }: IncidentTiming = defaultIncidentTiming,
): Answers {
  const { incident } = answers
  const refusals = inSpan(answers, now, span)
  const asked = askedMore(answers, grants, now, span)
  if (incident === undefined || now - incident.seen >= gap * span) return { refusals, asked }
  const over = (refusals.at(-1)?.at ?? now - span) + span
  return { refusals, asked, incident: { ...incident, until: Math.min(incident.until, over) } }
}

/** One grant was refused. When many are, it lasts until the provider gives tokens again, for a day at most. */
export function withRefusal(
  answers: Answers,
  grant: string,
  now: number,
  { span, longest }: IncidentTiming = defaultIncidentTiming,
): Answers {
  const lately = inSpan(answers, now, span)
  const others = lately.filter((refusal) => refusal.grant !== grant)
  const refusals = [...others, { grant, at: now }].slice(-mostRefusals)
  const asked = askedMore(answers, others.length === lately.length ? 1 : 0, now, span)
  const many =
    refusals.length >= fewest &&
    (refusals.length >= share * askedLately(asked, now, span) || refusals.length >= mostRefusals)
  if (!many) return { refusals, asked, incident: answers.incident }
  const before = answers.incident
  const since = before !== undefined && now - before.seen < gap * span ? before.since : now
  return { refusals, asked, incident: { since, until: since + longest, seen: now } }
}

/** Whether a refusal says nothing about the grant at present. */
export const inIncident = ({ incident }: Answers, now: number): boolean =>
  incident !== undefined && now >= incident.since && now < incident.until
