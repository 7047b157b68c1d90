/** What the browser shows after the provider has sent the person back to this machine. */
export function callbackPage(title: string, text: string, good: boolean): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)} – evertoken</title>
<style>
  :root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }
  body { min-height: 90vh; display: grid; place-content: center; margin: 0 1.5rem; text-align: center }
  h1 { font-size: 1.6rem; margin: 0 }
  h1::before { content: '${good ? '✓' : '✕'}'; display: block; font-size: 3rem; color: ${good ? '#16803c' : '#c02626'} }
  p { margin: .5rem auto; max-width: 34rem }
</style>
<h1>${escaped(title)}</h1>
<p>${escaped(text)}</p>
</html>
`
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
const escaped = (text: string): string => text.replaceAll(/[&<>"]/g, (character) => entities[character] ?? '')
