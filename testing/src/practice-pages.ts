import type { IncomingMessage } from 'node:http'
import { type Answer, emptyAnswer, errorAnswer, jsonAnswer, OAuthError } from './answer.ts'
import type { Practice } from './exchange.ts'
import { checkFault, type PracticeFault } from './fault.ts'
import {
  type LoginHistory,
  liveRefreshTokens,
  overlaps,
  refreshesDone,
  refreshRequests,
} from './login-history.ts'
import { judgeLogin } from './login-verdict.ts'
import type { LossEvidence } from './loss-evidence.ts'
import { readBody } from './request-intake.ts'
import type { RequestRecord } from './request-record.ts'
import { loginHistories } from './truth-reading.ts'

/** `/practice/…`: what a test asks the server and tells it. No authorization server has the like. */
export async function practicePage(
  message: IncomingMessage,
  path: string,
  practice: Practice,
  requests: RequestRecord,
): Promise<Answer> {
  try {
    return await page(`${message.method} ${path}`, () => readJson(message), practice, requests)
  } catch (error) {
    return errorAnswer(
      new OAuthError('invalid_request', error instanceof Error ? error.message : String(error)),
    )
  }
}

async function page(
  asked: string,
  body: () => Promise<unknown>,
  practice: Practice,
  requests: RequestRecord,
): Promise<Answer> {
  switch (asked) {
    case 'GET /practice/requests':
      return jsonAnswer(200, requests.all())
    case 'GET /practice/truth':
      return jsonAnswer(200, practice.truth.all())
    case 'GET /practice/logins':
      return jsonAnswer(200, [...loginHistories(practice.truth.all()).values()].map(summary))
    case 'POST /practice/verdict':
      return jsonAnswer(200, verdicts(Object(await body()), practice))
    case 'POST /practice/faults':
      return jsonAnswer(200, { faults: takeFaults(await body(), practice) })
    case 'DELETE /practice/faults':
      practice.faults.clear()
      return emptyAnswer(204)
    case 'GET /practice/health': {
      const { stateFile = null } = practice.options
      return jsonAnswer(200, { practice: true, issuer: practice.issuer, pid: process.pid, stateFile })
    }
    default:
      return jsonAnswer(404, { error: 'not_found' })
  }
}

const readJson = async (message: IncomingMessage): Promise<unknown> => JSON.parse(await readBody(message))

/** One fault or a list of them; gives how many. */
function takeFaults(value: unknown, practice: Practice): number {
  const faults = (Array.isArray(value) ? value : [value]) as readonly PracticeFault[]
  // All are looked at before one is taken: a list is in force whole or not at all.
  for (const fault of faults) checkFault(Object(fault))
  for (const fault of faults) practice.faults.add(fault, practice.now())
  return faults.length
}

/** The figures of a login, for those who cannot call the functions that count them. */
function summary(history: LoginHistory): object {
  return {
    login: history.login,
    requests: refreshRequests(history).length,
    refreshes: refreshesDone(history),
    overlaps: overlaps(history).length,
    live: liveRefreshTokens(history),
    ended: history.ended && { by: history.ended.by, at: history.ended.at },
  }
}

/** The verdict on each login that had a refresh token, or on the one that is named. */
function verdicts(
  given: Partial<LossEvidence> & { readonly login?: string },
  { truth, options }: Practice,
): readonly object[] {
  const { login, ...evidence } = given
  if (!Array.isArray(evidence.held))
    throw new TypeError('held must be a list of the fingerprints of the refresh tokens that the client holds')
  const { rotation, reuseWindow } = options
  const known = { rotation, reuseWindow, ...evidence, held: evidence.held as readonly string[] }
  return [...loginHistories(truth.all()).values()]
    .filter((history) => history.refreshTokens.size > 0 && (login === undefined || login === history.login))
    .map((history) => ({ login: history.login, ...judgeLogin(history, known) }))
}
