import type { Notice } from 'evertoken'
import { type Static, Type } from 'typebox'

/** A list of what may leave, as for a grant. */
export const noticeSchema = Type.Object(
  {
    kind: Type.String({
      description: 'What happened: at_risk, reauthorization_required, recovered and others.',
    }),
    epoch: Type.Integer({ description: 'Which login of the grant it is about, counted from 1.' }),
    at: Type.String({ format: 'date-time', description: 'UTC.' }),
    message: Type.String({ description: 'For people.' }),
  },
  { description: 'Something a person must know of one grant.' },
)

/** A notice as it goes over the wire. */
export const noticeBody = ({ kind, epoch, at, message }: Notice): Static<typeof noticeSchema> => ({
  kind,
  epoch,
  at: new Date(at).toISOString(),
  message,
})
