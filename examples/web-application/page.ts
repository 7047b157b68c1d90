/** Markup that needs no more escaping. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = string | number | Html | readonly Html[] | undefined

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function written(part: Part): string {
  if (part === undefined) return ''
  if (part instanceof Html) return part.text
  if (typeof part === 'object') return part.map(({ text }) => text).join('')
  return String(part).replace(/[&<>"']/g, (sign) => escapes[sign] as string)
}

/** A template whose values are escaped. */
export const html = (texts: TemplateStringsArray, ...parts: readonly Part[]): Html =>
  new Html(texts.reduce((all, text, index) => all + written(parts[index - 1]) + text))

/** A button that sends a form of its own, with what proves that the page was ours. */
export const button = (action: string, label: string, formToken: string, kind = ''): Html =>
  html`<form method="post" action="${action}"><input type="hidden" name="form_token" value="${formToken}"><button class="${kind}">${label}</button></form>`

/** Facts, a row each. */
export const facts = (rows: readonly (readonly [string, string | number])[]): Html =>
  html`<dl>${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`

/** A whole page. */
export const page = (title: string, body: Html): string =>
  html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} - token web application</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<main>
<h1>${title}</h1>
${body}
</main>
</body>
</html>
`.text

export const style = `:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9d9e0; --paper: #fcfcfd; --card: #fff; --accent: #3451b2; --bad: #c62a2f }
@media (prefers-color-scheme: dark) { :root { --ink: #edeef0; --soft: #b0b4ba; --line: #363a3f; --paper: #111113; --card: #18191b; --accent: #8da4ef; --bad: #ff9592 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif }
main { max-width: 40rem; margin: 8vh auto; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: 12px }
h1 { margin: 0 0 1rem; font-size: 1.5rem }
h2 { margin: 2rem 0 .5rem; font-size: 1rem }
p { margin: .5rem 0; color: var(--soft) }
dl { margin: 1rem 0; border-top: 1px solid var(--line) }
dl div { display: flex; gap: 1rem; padding: .5rem 0; border-bottom: 1px solid var(--line) }
dt { flex: 0 0 11rem; color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums }
nav { display: flex; flex-wrap: wrap; gap: .5rem; margin: 1.5rem 0 0 }
form { margin: 0 }
a.button, button { display: inline-block; padding: .5rem 1rem; border: 1px solid var(--line); border-radius: 8px; background: none; color: var(--ink); font: inherit; text-decoration: none; cursor: pointer }
a.button:hover, button:hover { border-color: var(--accent) }
a:focus-visible, button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
a.first, button.first { background: var(--accent); border-color: var(--accent); color: var(--card) }
button.last { color: var(--bad) }
.said { padding: .75rem 1rem; border-left: 3px solid var(--accent); color: var(--ink) }
ol { margin: 0; padding-left: 1.25rem; color: var(--soft); font-variant-numeric: tabular-nums }
`
