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
  const shown = await fetch(authorizationUrl, { redirect: 'manual' })
  const early = shown.headers.get('location')
  const page = await shown.text()
  if (early !== null) return early
  const action = attribute(page, /<form method="post" action="([^"]*)"/)
  if (shown.status !== 200 || action === undefined) {
    const reason = attribute(page, /<span id="reason">([^<]*)</) ?? 'no consent form'
    throw new Error(`the practice server showed no consent form: ${shown.status}, ${reason}`)
  }
  const proposed = attribute(page, /name="subject" value="([^"]*)"/) ?? ''
  const url = new URL(action, authorizationUrl)
  const answer = await fetch(url, {
    method: 'POST',
    redirect: 'manual',
    headers: { origin: url.origin },
    body: new URLSearchParams({
      subject: decision.subject ?? proposed,
      decision: decision.deny === true ? 'deny' : 'allow',
    }),
  })
  await answer.text()
  const location = answer.headers.get('location')
  if (location === null) throw new Error(`the practice server did not redirect: ${answer.status}`)
  return location
}

function attribute(page: string, pattern: RegExp): string | undefined {
  return pattern
    .exec(page)?.[1]
    ?.replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
}
