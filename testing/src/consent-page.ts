import { createHash } from 'node:crypto'
import type { Answer, OAuthError } from './answer.ts'
import type { AuthorizationRequest } from './authorization-request.ts'
import type { Exchange } from './exchange.ts'

const style = `
:root { color-scheme: light dark; --line: #8a94a6; --accent: #0b5fd0; --on-accent: #fff; --note: #fff4d6; --on-note: #4a3500; }
@media (prefers-color-scheme: dark) { :root { --accent: #7db3ff; --on-accent: #06203f; --note: #3d3114; --on-note: #ffe9b0; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; font: 1rem/1.5 system-ui, sans-serif; }
main { width: min(30rem, 100% - 2rem); margin: 2rem 0; padding: 1.75rem; border: 1px solid var(--line); border-radius: .75rem; }
h1 { margin: 0 0 1rem; font-size: 1.4rem; line-height: 1.25; }
.note { margin: 0 0 1.25rem; padding: .5rem .75rem; border-radius: .4rem; background: var(--note); color: var(--on-note); font-size: .9rem; }
code { overflow-wrap: anywhere; }
dt { font-size: .85rem; }
dd { margin: 0 0 .75rem; font-weight: 600; overflow-wrap: anywhere; }
label { display: block; margin-bottom: .25rem; }
input { width: 100%; padding: .55rem .7rem; font: inherit; border: 1px solid var(--line); border-radius: .4rem; }
.decision { display: flex; gap: .75rem; margin-top: 1.25rem; }
button { flex: 1; padding: .6rem; font: inherit; font-weight: 600; border: 1px solid var(--accent); border-radius: .4rem; cursor: pointer; background: transparent; color: var(--accent); }
button.allow { background: var(--accent); color: var(--on-accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
`

const styleHash = createHash('sha256').update(style).digest('base64')

const headers = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  // No form-action: browsers apply it to the redirect behind the form too, and that goes to the client.
  'content-security-policy': `default-src 'none'; style-src 'sha256-${styleHash}'; frame-ancestors 'none'; base-uri 'none'`,
  // Not no-referrer: with it browsers send "Origin: null", and the decision is taken only from our own page.
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
}

const note =
  '<p class="note">This is a practice server. It checks no password: whoever you say you are, it believes you.</p>'

/** The page of an authorization request; where a person goes back to from it. */
export function consentPage(request: AuthorizationRequest, action: string, subject: string): Answer {
  const { client, redirectUri } = request
  return decisionPage({ ...request, clientId: client.clientId }, ['You return to', redirectUri], {
    action,
    subject,
  })
}

/** What a page asks about: who wants what. */
export interface AskedFor {
  readonly clientId: string
  readonly scope: readonly string[]
  readonly audience: readonly string[]
}

/** The form of a decision: where it goes, and what stands in it. */
export interface DecisionForm {
  readonly action: string
  /** Whom it proposes. */
  readonly subject: string
  /** Goes along unseen. */
  readonly userCode?: string | undefined
}

/** The page on which a person says who they are and allows or denies; works without scripts. */
export function decisionPage(
  { clientId, scope, audience }: AskedFor,
  fact: readonly [string, string],
  { action, subject, userCode }: DecisionForm,
): Answer {
  const client_id = escapeHtml(clientId)
  const facts = [
    ['Scope', scope.join(' ') || 'none'],
    ...(audience.length === 0 ? [] : [['Resource', audience.join(' ')]]),
    fact,
  ]
  const hidden =
    userCode === undefined ? '' : `<input type="hidden" name="user_code" value="${escapeHtml(userCode)}">\n`
  return page(
    200,
    `Allow ${client_id}?`,
    `<h1>Allow <code>${client_id}</code> to act for you?</h1>
${note}
<dl>
${facts.map(([term = '', value = '']) => `<dt>${term}</dt><dd>${escapeHtml(value)}</dd>`).join('\n')}
</dl>
<form method="post" action="${escapeHtml(action)}">
${hidden}<label for="subject">You are</label>
<input id="subject" name="subject" value="${escapeHtml(subject)}" autocomplete="username" maxlength="200" required>
<div class="decision">
<button class="allow" name="decision" value="allow">Allow</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</div>
</form>`,
  )
}

/** Asks for the code that a device shows, RFC 8628 section 3.3. */
export function userCodePage(action: string): Answer {
  return page(
    200,
    'Your code',
    `<h1>Which code does the device show?</h1>
${note}
<form method="get" action="${escapeHtml(action)}">
<label for="user_code">Code</label>
<input id="user_code" name="user_code" autocomplete="off" maxlength="200" required>
<div class="decision"><button class="allow">Go on</button></div>
</form>`,
  )
}

/** A decision about a device was taken: nobody is redirected. */
export function decidedPage(allowed: boolean): Answer {
  const title = allowed ? 'Allowed' : 'Denied'
  return page(200, title, `<h1>${title}</h1>\n<p>You can close this page and go back to the device.</p>`)
}

/** For a request that must not be answered by redirect (RFC 6749 section 4.1.2.1). */
export function refusalPage(exchange: Exchange, error: OAuthError): Answer {
  exchange.record.outcome = error.error
  exchange.record.reason = error.message
  return page(
    error.status,
    'Request refused',
    `<h1>The practice server refused this request</h1>
<p><code>${error.error}</code>: <span id="reason">${escapeHtml(error.message)}</span></p>`,
  )
}

function page(status: number, title: string, main: string): Answer {
  const body = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} - practice server</title>
<style>${style}</style>
</head>
<body>
<main>
${main}
</main>
</body>
</html>
`
  return { status, headers, body }
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? '')
}
