/**
 * Plays a person with a browser, over HTTP: opens the authorization URL, signs in, consents, and gives the address
 * that the browser would be sent back to, without opening it.
 */
export async function consentInBrowser(start: string, redirectUri: string, login = 'alice'): Promise<URL> {
  for await (const { url } of pages(start, login)) if (url.href.startsWith(redirectUri)) return url
  throw new Error('the provider redirects without end')
}

/** The same for a device: opens the verification page with the code in it, confirms the code, signs in and consents. */
export async function consentForDevice(verificationUriComplete: string, login = 'alice'): Promise<void> {
  for await (const { text } of pages(verificationUriComplete, login))
    if (text?.includes('Sign-in Success')) return
  throw new Error('the provider redirects without end')
}

/** Where the browser is sent, and every page that it shows, each with what is on it; forms are filled in and sent. */
async function* pages(start: string, login: string): AsyncGenerator<{ url: URL; text?: string }> {
  const cookies = new Map<string, string>()
  let form: URLSearchParams | undefined
  let url = new URL(start)
  for (let steps = 0; steps < 20; steps++) {
    const page: Response = await fetch(url, {
      method: form === undefined ? 'GET' : 'POST',
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { body: form }),
    })
    for (const cookie of page.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
      if (value === '') cookies.delete(name)
      else cookies.set(name, value)
    }
    const text = await page.text()
    const location = page.headers.get('location')
    if (location !== null) {
      url = new URL(location, url)
      form = undefined
      yield { url }
      continue
    }
    yield { url, text }
    const action = /action="([^"]+)"/.exec(text)?.[1]
    form = filledIn(text, login)
    if (form === undefined || action === undefined)
      throw new Error(
        `the provider shows neither a form nor a redirect: ${page.status} ${text.slice(0, 500)}`,
      )
    url = new URL(action, url)
  }
}

/** The form of a page: who signs in, or what stands in it already. */
function filledIn(text: string, login: string): URLSearchParams | undefined {
  const prompt = /name="prompt" value="(\w+)"/.exec(text)?.[1]
  if (prompt !== undefined)
    return new URLSearchParams(prompt === 'login' ? { prompt, login, password: 'any' } : { prompt })
  const hidden = [...text.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)]
  return hidden.length === 0
    ? undefined
    : new URLSearchParams(hidden.map(([, name = '', value = '']): [string, string] => [name, value]))
}
