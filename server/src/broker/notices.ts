import type { Keeper, StoredNotice } from 'evertoken'
import { type Static, Type } from 'typebox'
import type { Broker } from './broker.ts'
import { noticeBody, noticeSchema } from './notice.ts'
import { answers } from './problem.ts'

const storedNoticeSchema = Type.Object(
  {
    number: Type.Integer({ description: 'Grows with every notice.' }),
    grant: Type.String({ description: 'The id of the grant, which may be gone by now.' }),
    ...noticeSchema.properties,
  },
  { description: 'A notice and its grant.' },
)

/** A notice with its grant as it goes over the wire. */
export const storedNoticeBody = (notice: StoredNotice): Static<typeof storedNoticeSchema> => ({
  number: notice.number,
  grant: notice.grant,
  ...noticeBody(notice),
})

/** What people must know, of all grants: whoever polls asks from the last number on. */
export function noticeRoutes(app: Broker, keeper: Keeper): void {
  app.get(
    '/v1/notices',
    {
      config: { right: 'administer' },
      schema: {
        operationId: 'listNotices',
        summary: 'What people must know, oldest first, a page at a time',
        tags: ['grants'],
        querystring: Type.Object(
          {
            after: Type.Optional(
              Type.Integer({
                minimum: 0,
                description: 'The next of the page before; the last number that was seen.',
                examples: [41],
              }),
            ),
            limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, description: 'Default 100.' })),
          },
          { additionalProperties: false },
        ),
        response: answers({
          200: Type.Object(
            {
              notices: Type.Array(storedNoticeSchema),
              next: Type.Optional(
                Type.Integer({ description: 'Ask again with it as after; absent on the last page.' }),
              ),
            },
            { description: 'A page of notices.' },
          ),
        }),
      },
    },
    async (request) => {
      const { after = 0, limit = 100 } = request.query
      // One more than asked for tells whether there is another page.
      const found = await keeper.notices({ after, limit: limit + 1 })
      const notices = found.slice(0, limit).map(storedNoticeBody)
      const last = notices.at(-1)
      return { notices, ...(found.length > limit && last !== undefined && { next: last.number }) }
    },
  )
}
