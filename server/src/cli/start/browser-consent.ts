import { consent } from '@evertoken/testing'

/**
 * Consents to a grant the way a browser would: opens the broker's link, keeps its cookie, presses the provider's
 * button, and comes back to the broker with the answer.
 */
export async function consentLikeABrowser(connectUrl: string): Promise<void> {
  const opened = await fetch(connectUrl, { redirect: 'manual' })
  const cookie = opened.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
  const provider = opened.headers.get('location')
  if (provider === null) throw new Error(`the connect link answered ${opened.status} instead of a redirect`)
  const back = await consent(provider)
  const answer = await fetch(back, { headers: { cookie } })
  if (!answer.ok) throw new Error(`the callback answered ${answer.status}`)
}
