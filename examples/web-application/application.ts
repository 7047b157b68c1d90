import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { authorizedFetch, EvertokenError } from 'evertoken'
import type { Logins } from './logins.ts'
import { button, facts, type Html, html, page, style } from './page.ts'
import type { Session, SessionStore } from './session-store.ts'

export interface ApplicationOptions {
  /** Under which browsers reach it: `https://app.example`. */
  readonly url: URL
  readonly sessions: SessionStore
  readonly logins: Logins
  /** OpenID Connect Core section 5.3: the API of this application. */
  readonly userinfoUrl: string
  /** The provider's origin, to which the log-in form leads. */
  readonly provider: string
}

/** What a route has. */
interface Visit {
  readonly request: IncomingMessage
  readonly url: URL
  readonly session: Session
}

/** A page, or where the browser is sent; with a cookie where the session is another now. */
type Reply = {
  readonly page?: string
  readonly status?: number
  readonly to?: string
  readonly cookie?: string
}

type Route = (visit: Visit) => Promise<Reply> | Reply

const time = (utc: number): string => `${new Date(utc).toISOString().replace('T', ' ').slice(0, 19)} UTC`

/** Answers requests of browsers. */
export function application(options: ApplicationOptions) {
  const { url: base, sessions, logins } = options
  const secure = base.protocol === 'https:'
  const cookieName = secure ? '__Host-session' : 'session'
  const redirectUri = new URL('/callback', base).href
  const withLogin =
    (route: Route): Route =>
    (visit) =>
      visit.session.tokens === undefined ? { to: '/' } : route(visit)

  const routes: Readonly<Record<string, Route>> = {
    'GET /': ({ session }) =>
      session.tokens === undefined ? { page: page('Welcome', start(session)) } : { to: '/menu' },

    'POST /login': async ({ session }) => ({ to: await logins.begin(session, redirectUri) }),

    'GET /callback': async ({ session, url }) => {
      // The session of somebody who is logged in has a cookie that nobody can have planted.
      const next = sessions.begin(Date.now())
      try {
        await logins.finish(session, url, next.session)
      } catch (error) {
        sessions.end(next.session.id)
        throw error
      }
      sessions.end(session.id)
      return { to: '/menu', cookie: next.cookie }
    },

    'GET /menu': withLogin(({ session }) => ({ page: page('Your login', menu(session)) })),

    'GET /profile': withLogin(async ({ session, request }) => {
      const api = authorizedFetch(logins.of(session).source, {
        origins: [new URL(options.userinfoUrl).origin],
      })
      const answer = await api(options.userinfoUrl, { signal: AbortSignal.timeout(10_000) })
      if (!answer.ok) return problem(`The provider answers ${answer.status}.`, request)
      const claims = Object.entries((await answer.json()) as Record<string, unknown>)
      const rows = claims.map(([name, value]): [string, string] => [name, String(value)])
      return { page: page('Your profile', html`${facts(rows)}${back}`) }
    }),

    'POST /refresh': withLogin(async ({ session }) => {
      await logins.of(session).source.refresh()
      return { to: '/menu' }
    }),

    'POST /expire': withLogin(async ({ session }) => {
      await logins.expire(session)
      return { to: '/menu' }
    }),

    'GET /validate': withLogin(async ({ session }) => {
      const { valid, by, expiresAt } = await logins.of(session).source.validate()
      const said = valid ? 'The access token is good.' : 'The access token is not good any more.'
      const rows = facts([
        ['known by', by],
        ['expires', time(expiresAt)],
      ])
      return { page: page('Validation', html`<p class="said">${said}</p>${rows}${back}`) }
    }),

    'POST /logout': withLogin(async ({ session }) => {
      const told = await logins.end(session)
      sessions.end(session.id)
      const said =
        told === 'revoked'
          ? 'The provider has ended your login.'
          : 'Your login is over here; the provider could not be told yet.'
      return {
        page: page(
          'Logged out',
          html`<p class="said">${said}</p><nav><a class="button" href="/">Start page</a></nav>`,
        ),
        cookie: '',
      }
    }),
  }

  const back = html`<nav><a class="button" href="/menu">Back</a></nav>`

  const start = ({ formToken }: Session): Html => html`
<p>This application keeps your login alive: it asks you once, and renews its access token by itself until you log out.</p>
<nav>${button('/login', 'Log in', formToken, 'first')}</nav>`

  function menu(session: Session): Html {
    const { tokenType, obtainedAt, expiresAt, scope } = session.tokens as NonNullable<Session['tokens']>
    const left = Math.ceil((expiresAt - Date.now()) / 1000)
    const { happenings } = logins.of(session)
    const { formToken } = session
    return html`
${facts([
  ['access token', `${tokenType}, ${left > 0 ? `ends in ${left} s` : 'has ended: the next call renews it'}`],
  ['came at', time(obtainedAt)],
  ['scope', scope.join(', ')],
])}
<nav>
<a class="button first" href="/profile">Profile</a>
<a class="button" href="/validate">Validate</a>
${button('/refresh', 'Refresh now', formToken)}
${button('/expire', 'Let it expire', formToken)}
${button('/logout', 'Log out', formToken, 'last')}
</nav>
<h2>What happened</h2>
<ol>${happenings.map(({ at, what }) => html`<li>${time(at).slice(11, 19)} ${what}</li>`)}</ol>`
  }

  function problem(said: string, request: IncomingMessage, status = 502): Reply {
    const again = request.url?.startsWith('/callback') ? '/' : '/menu'
    return {
      status,
      page: page(
        'That did not work',
        html`<p class="said">${said}</p><nav><a class="button" href="${again}">Go on</a></nav>`,
      ),
    }
  }

  /** No form of another site, and none of an older session. */
  async function isOurs(request: IncomingMessage, { formToken }: Session): Promise<boolean> {
    if (request.headers.origin !== base.origin) return false
    if (Number(request.headers['content-length'] ?? Number.POSITIVE_INFINITY) > 1_000) return false
    return new URLSearchParams(await text(request)).get('form_token') === formToken
  }

  async function replyTo(request: IncomingMessage): Promise<Reply & { readonly fresh?: string }> {
    const url = new URL(request.url ?? '/', base)
    const cookie = new RegExp(`(?:^|; )${cookieName}=([\\w-]{43})(?:;|$)`).exec(
      request.headers.cookie ?? '',
    )?.[1]
    const found = cookie === undefined ? undefined : sessions.find(cookie, Date.now())
    const begun = found === undefined ? sessions.begin(Date.now()) : undefined
    const session = (found ?? begun?.session) as Session
    const route = routes[`${request.method} ${url.pathname}`]
    const set = begun === undefined ? {} : { cookie: begun.cookie }
    try {
      if (route === undefined) return { ...set, ...problem('There is no such page.', request, 404) }
      if (request.method === 'POST' && !(await isOurs(request, session)))
        return { ...set, ...problem('This form is not of this session. Open the page again.', request, 403) }
      return { ...set, ...(await route({ request, url, session })) }
    } catch (error) {
      if (!(error instanceof EvertokenError)) {
        console.error(error)
        return { ...set, ...problem('Something went wrong here.', request, 500) }
      }
      // Its words hold no secret.
      if (error.code === 'reauthorization_required') sessions.end(session.id)
      return { ...set, ...problem([error.message, error.advice].filter(Boolean).join('. '), request) }
    }
  }

  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('x-content-type-options', 'nosniff')
    response.setHeader('referrer-policy', 'same-origin')
    response.setHeader(
      'content-security-policy',
      `default-src 'none'; style-src 'self'; img-src data:; form-action 'self' ${options.provider}; frame-ancestors 'none'; base-uri 'none'`,
    )
    if (request.url === '/style.css') {
      response.writeHead(200, { 'content-type': 'text/css', 'cache-control': 'max-age=3600' }).end(style)
      return
    }
    response.setHeader('cache-control', 'no-store')
    const reply = await replyTo(request)
    if (reply.cookie !== undefined) {
      const ends = reply.cookie === '' ? '; Max-Age=0' : ''
      response.setHeader(
        'set-cookie',
        `${cookieName}=${reply.cookie}; Path=/; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}${ends}`,
      )
    }
    if (reply.to !== undefined) response.writeHead(303, { location: reply.to }).end()
    else
      response.writeHead(reply.status ?? 200, { 'content-type': 'text/html; charset=utf-8' }).end(reply.page)
  }
}
