import { createHash } from 'node:crypto'
import type { FastifyReply } from 'fastify'

/** A page for a person; texts are escaped here. */
export interface Page {
  readonly title: string
  readonly good: boolean
  readonly paragraphs: readonly string[]
  /** Small print: what to name when asking for help. */
  readonly reference?: string | undefined
}

const style = `
:root { color-scheme: light dark; font: 17px/1.5 system-ui, sans-serif }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText }
main { max-width: 30rem; padding: 2rem; margin: 1rem; border: 1px solid #8884; border-radius: 14px }
h1 { font-size: 1.35rem; margin: 0 0 .75rem; overflow-wrap: anywhere }
h1::before { content: "✓ "; color: #16803c }
.bad h1::before { content: "! "; color: #c2410c }
p { margin: .6rem 0 0; overflow-wrap: anywhere }
small { display: block; margin-top: 1.25rem; opacity: .65 }
`

/** No script at all, one style known by its hash, nothing fetched, never in a frame. */
const policy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "form-action 'none'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ')

export function sendPage(reply: FastifyReply, status: number, page: Page): FastifyReply {
  return reply
    .code(status)
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy,
      'cross-origin-opener-policy': 'same-origin',
    })
    .send(html(page))
}

const html = ({ title, good, paragraphs, reference }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escaped(title)} · evertoken</title>
<style>${style}</style>
</head>
<body${good ? '' : ' class="bad"'}>
<main>
<h1>${escaped(title)}</h1>
${paragraphs.map((text) => `<p>${escaped(text)}</p>`).join('\n')}
${reference === undefined ? '' : `<small>${escaped(reference)}</small>`}
</main>
</body>
</html>
`

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => entities[sign] ?? sign)
