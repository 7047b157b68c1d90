import { randomBytes } from 'node:crypto'
import type { Keeper } from 'evertoken'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Broker } from './broker.ts'
import { clearCookie, connectCookie, readCookie, setCookie } from './connect-cookie.ts'
import { issueTicket, keepTicket, takeTicket } from './connect-ticket.ts'
import { grantId, grantParameters } from './grant-id.ts'
import { logRequest } from './log.ts'
import { checkConsentable } from './no-consent.ts'
import { sendPage } from './page.ts'
import { answers, problemOf } from './problem.ts'

/** Where providers send people back to; what has to be registered there is the broker's origin and this. */
const callbackPath = '/oauth/callback'

/** What stands for the binding of a browser without the cookie. Never empty: a consent begun without one has that. */
const noBinding = 'no cookie'

const connectBody = Type.Object(
  {
    other_account: Type.Optional(
      Type.Boolean({
        description:
          'Whoever consents may be another account than before; default false: where the provider says who logged in, another is refused with other_account.',
      }),
    ),
  },
  { additionalProperties: false },
)

/** A person's consent, in a browser: a link, the provider's page, and back. */
export function connectRoutes(app: Broker, keeper: Keeper, origin: () => string): void {
  const secure = (): boolean => origin().startsWith('https:')

  app.post(
    '/v1/grants/:id/connect',
    {
      config: { right: 'administer' },
      schema: {
        operationId: 'connectGrant',
        summary: "A link to begin a person's consent",
        description:
          'To be opened once, in the browser of whoever is to consent. Also renews a login that ended.',
        tags: ['consent'],
        params: grantParameters,
        body: Type.Union([connectBody, Type.Null({ description: 'As with an empty one.' })]),
        response: answers({
          200: Type.Object(
            {
              connect_url: Type.String({ format: 'uri', description: 'Good once.' }),
              expires_at: Type.String({ format: 'date-time', description: 'UTC.' }),
            },
            {
              description: 'The link.',
              examples: [
                {
                  connect_url: 'https://tokens.example/connect/5yX…',
                  expires_at: '2026-07-01T12:10:00.000Z',
                },
              ],
            },
          ),
        }),
      },
    },
    async (request) => {
      const grant = await keeper.show(grantId(request.params))
      checkConsentable(grant)
      const { id } = grant
      const expiresAt = keeper.clock.now() + keeper.timing.consent
      const otherAccount = request.body?.other_account
      const ticket = await issueTicket(keeper.store, { grant: id, expiresAt, otherAccount })
      return { connect_url: `${origin()}/connect/${ticket}`, expires_at: new Date(expiresAt).toISOString() }
    },
  )

  app.get(
    '/connect/:ticket',
    {
      config: { right: 'public' },
      errorHandler: showError,
      schema: {
        operationId: 'followConnectLink',
        summary: "Begins the consent: on to the provider's page",
        tags: ['consent'],
        params: Type.Object({ ticket: Type.String({ description: 'Out of the link.' }) }),
        response: { 302: Type.Null({ description: "To the provider's page." }), ...pages },
      },
    },
    async (request, reply) => {
      const { ticket: text } = request.params
      const ticket = await takeTicket(keeper.store, text, keeper.clock.now())
      const binding = randomBytes(32).toString('base64url')
      try {
        const consent = await keeper.beginConsent(ticket.grant, {
          redirectUri: `${origin()}${callbackPath}`,
          binding,
          otherAccount: ticket.otherAccount,
        })
        const seconds = Math.max(1, Math.ceil((consent.expiresAt - keeper.clock.now()) / 1000))
        reply.header('set-cookie', setCookie(connectCookie(consent.state, secure()), binding, seconds))
        return reply.redirect(consent.url, 302)
      } catch (error) {
        // Nothing was begun, so the link still holds: the provider may only have been out of reach.
        await keepTicket(keeper.store, text, ticket)
        throw error
      }
    },
  )

  app.get(
    callbackPath,
    {
      config: { right: 'public' },
      errorHandler: showError,
      schema: {
        operationId: 'finishConsent',
        summary: 'Where the provider sends the person back to',
        tags: ['consent'],
        response: { 200: page('The grant is connected.'), ...pages },
      },
    },
    async (request, reply) => {
      const answer = new URLSearchParams(request.raw.url?.split('?', 2)[1] ?? '')
      const cookie = connectCookie(answer.get('state') ?? '', secure())
      const binding = readCookie(cookie, request.headers.cookie)
      if (binding !== undefined) reply.header('set-cookie', clearCookie(cookie))
      const { id, provider } = await keeper.finishConsent(answer, binding || noBinding)
      return sendPage(reply, 200, {
        title: `${id} is connected`,
        good: true,
        paragraphs: [`evertoken now keeps the grant ${id} at ${provider} alive.`, 'You can close this page.'],
      })
    },
  )
}

/** A person sees a page where a program gets problem details. */
function showError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const { status, title, detail, advice, code, request_id } = problemOf(error, request.id)
  if (status >= 500) request.log.error({ err: error, request_id }, title)
  reply.code(status)
  logRequest(request, reply)
  sendPage(reply, status, {
    title,
    good: false,
    paragraphs: [
      `${detail.charAt(0).toUpperCase()}${detail.slice(1)}.`,
      ...(advice === undefined ? [] : [advice]),
    ],
    reference: `${code} · ${request_id}`,
  })
}

function page(description: string): object {
  return { description, content: { 'text/html': { schema: { type: 'string' } } } }
}

const pages = { default: page('A page that says what went wrong and what to do.') }
