/**
 * Plays a person with a browser: opens the authorization URL, fills in each form with `answers` and what is hidden in it,
 * and gives the address that the browser would be sent back to, without opening it.
 */
export async function consentByForms(
  start: string,
  redirectUri: string,
  answers: Readonly<Record<string, string>>,
): Promise<URL> {
  const cookies = new Map<string, string>()
  let form: URLSearchParams | undefined
  let url = new URL(start)
  for (let steps = 0; steps < 20; steps++) {
    const page: Response = await fetch(url, {
      method: form === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: {
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        // Both frameworks want to know that a form comes from their own page.
        ...(form === undefined ? {} : { origin: url.origin, referer: url.href }),
      },
      ...(form === undefined ? {} : { body: form }),
    })
    for (const cookie of page.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      cookies.set(name, value)
    }
    const text = await page.text()
    const location = page.headers.get('location')
    if (location !== null) {
      url = new URL(location, url)
      form = undefined
      if (url.href.startsWith(redirectUri)) return url
      continue
    }
    // Of several forms the first is the one that goes on.
    const html = /<form[^>]*>[\s\S]*?<\/form>/.exec(text)?.[0]
    if (!page.ok || html === undefined)
      throw new Error(
        `the provider shows neither a form nor a redirect: ${page.status} ${text.slice(0, 500)}`,
      )
    const action = /<form[^>]*\baction="([^"]*)"/.exec(html)?.[1]
    if (action !== undefined) url = new URL(unescaped(action), url)
    form = new URLSearchParams(answers)
    for (const [input] of html.matchAll(/<input[^>]*>/g)) {
      const of = (attribute: string) => new RegExp(`\\b${attribute}="([^"]*)"`).exec(input)?.[1]
      const name = of('name')
      if (of('type') === 'hidden' && name !== undefined) form.set(name, unescaped(of('value') ?? ''))
    }
  }
  throw new Error('the provider redirects without end')
}

const unescaped = (html: string): string =>
  html.replace(/&(amp|quot|#39|#x27|lt|gt);/g, (_, name: string) => {
    const characters: Record<string, string> = { amp: '&', quot: '"', lt: '<', gt: '>' }
    return characters[name] ?? "'"
  })
