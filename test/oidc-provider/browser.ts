/**
 * Plays a person with a browser, over HTTP: opens the authorization URL, signs in, consents, and gives the address
 * that the browser would be sent back to, without opening it.
 */
export async function consentInBrowser(start: string, redirectUri: string, login = 'alice'): Promise<URL> {
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
      if (url.href.startsWith(redirectUri)) return url
      continue
    }
    const prompt = /name="prompt" value="(\w+)"/.exec(text)?.[1]
    const action = /action="([^"]+)"/.exec(text)?.[1]
    if (prompt === undefined || action === undefined)
      throw new Error(
        `the provider shows neither a form nor a redirect: ${page.status} ${text.slice(0, 500)}`,
      )
    url = new URL(action, url)
    form = new URLSearchParams(prompt === 'login' ? { prompt, login, password: 'any' } : { prompt })
  }
  throw new Error('the provider redirects without end')
}
