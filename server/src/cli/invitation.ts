import { type ConsentRequest, EvertokenError } from 'evertoken'
import { openBrowser } from './browser.ts'
import { durationText } from './duration.ts'
import type { Environment } from './environment.ts'

/** Shows a person where to consent: opens the page where that can be done, and prints the link in any case. */
export async function invite(
  { url, urlExpiresAt }: Pick<ConsentRequest, 'url' | 'urlExpiresAt'>,
  open: boolean,
  environment: Environment,
): Promise<void> {
  const opened = open && (await openBrowser(url, environment))
  const lead = opened
    ? 'Your browser opens this page; if it does not, open it yourself:'
    : 'Open this page in a browser:'
  environment.stderr.write(`${lead}\n\n  ${url}\n\n`)
  if (urlExpiresAt === undefined) return
  const left = durationText(urlExpiresAt - environment.clock.now())
  environment.stderr.write(`The provider takes this link once, within ${left}.\n`)
}

/** Waits for the person, not longer than the consent is good for. */
export async function inTime<T>(
  id: string,
  expiresAt: number,
  { clock, signal }: Environment,
  answer: Promise<T>,
): Promise<T> {
  const over = new AbortController()
  const patience = expiresAt - clock.now()
  const late = clock.sleep(patience, { signal: AbortSignal.any([over.signal, signal]) }).then((): never => {
    signal.throwIfAborted()
    throw new EvertokenError(
      'grant_pending',
      `nobody has consented to ${id} within ${durationText(patience)}`,
      {
        grant: id,
        advice: `Begin again: evertoken login ${id}`,
      },
    )
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    over.abort()
    late.catch(() => undefined)
  }
}
