/** What the person does on the consent page. */
export interface ConsentDecision {
  /** Who consents. Default: what the page proposes, `practice-user` or the request's `login_hint`. */
  readonly subject?: string | undefined
  /** Default false. */
  readonly deny?: boolean | undefined
}

/**
 * Plays the browser and the person before a practice server: opens the authorization URL over HTTP, fills in the
 * consent form and sends it. Gives the URL that the browser would be redirected to, without opening it: it holds
 * `code`, `state` and `iss`, or `error` (RFC 6749 section 4.1.2). Throws when the server shows a refusal in place of
 * the form. Works against any practice server, also one in another process.
 */
export async function consent(
  authorizationUrl: string | URL,
  decision: ConsentDecision = {},
): Promise<string> {
  const shown = await open(authorizationUrl)
  if (shown.location !== null) return shown.location
  const { status, location } = await decide(authorizationUrl, shown, decision)
  if (location === null) throw new Error(`the practice server did not redirect: ${status}`)
  return location
}

/**
 * The same for a device (RFC 8628 section 3.3): opens the verification page with the user code that a person would type
 * there, and decides. Throws when the server shows a refusal in place of the form.
 */
export async function consentToDevice(
  verificationUri: string | URL,
  userCode: string,
  decision: ConsentDecision = {},
): Promise<void> {
  const url = new URL(verificationUri)
  url.searchParams.set('user_code', userCode)
  const { status, page } = await decide(url, await open(url), decision)
  if (status !== 200) throw new Error(`the practice server did not take it: ${refusal({ status, page })}`)
}

interface Shown {
  readonly status: number
  readonly location: string | null
  readonly page: string
}

async function open(url: string | URL, init: RequestInit = {}): Promise<Shown> {
  const answer = await fetch(url, { ...init, redirect: 'manual' })
  return { status: answer.status, location: answer.headers.get('location'), page: await answer.text() }
}

/** Fills in the form of a page and sends it. */
function decide(from: string | URL, { status, page }: Shown, decision: ConsentDecision): Promise<Shown> {
  const action = attribute(page, /<form method="post" action="([^"]*)"/)
  if (status !== 200 || action === undefined)
    throw new Error(`the practice server showed no consent form: ${refusal({ status, page })}`)
  const userCode = attribute(page, /name="user_code" value="([^"]*)"/)
  const url = new URL(action, from)
  const body = new URLSearchParams({
    subject: decision.subject ?? attribute(page, /name="subject" value="([^"]*)"/) ?? '',
    decision: decision.deny === true ? 'deny' : 'allow',
    ...(userCode === undefined ? {} : { user_code: userCode }),
  })
  return open(url, { method: 'POST', headers: { origin: url.origin }, body })
}

const refusal = ({ status, page }: Pick<Shown, 'status' | 'page'>): string =>
  `${status}, ${attribute(page, /<span id="reason">([^<]*)</) ?? 'no consent form'}`

function attribute(page: string, pattern: RegExp): string | undefined {
  return pattern
    .exec(page)?.[1]
    ?.replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
}
