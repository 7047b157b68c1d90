import { type Answer, OAuthError } from './answer.ts'
import { defaultSubject, foreignForm } from './authorization-endpoint.ts'
import { decidedPage, decisionPage, refusalPage, userCodePage } from './consent-page.ts'
import { normalUserCode } from './device-authorization-endpoint.ts'
import { type Exchange, type Practice, readForm, readParameters } from './exchange.ts'
import type { DeviceCode } from './practice-events.ts'
import { digest } from './request-record.ts'

/** GET asks for the user code, or with one in the query for the decision, RFC 8628 sections 3.3 and 3.3.1. */
export function askForDevice(exchange: Exchange, practice: Practice): Answer {
  return shown(exchange, () => {
    const typed = readParameters(exchange.query).get('user_code')
    if (typed === undefined) return userCodePage('/device')
    const code = undecided(typed, exchange, practice)
    // Shown once more, so that the person compares it with the device's (RFC 8628 section 5.4).
    const form = { action: '/device', subject: defaultSubject, userCode: typed }
    return decisionPage(code, ['The device shows', typed], form)
  })
}

/** POST takes the decision. */
export function takeDeviceDecision(exchange: Exchange, practice: Practice): Answer {
  return shown(exchange, () => {
    const foreign = foreignForm(exchange, practice)
    if (foreign !== undefined) throw foreign
    const form = readForm(exchange)
    const code = undecided(form.need('user_code'), exchange, practice)
    const subject = form.get('subject') ?? defaultSubject
    const allowed = form.need('decision') === 'allow'
    const decision = allowed ? { allowed, subject } : { allowed }
    practice.state.commit({ type: 'device_code_decided', at: practice.now(), digest: code.digest, decision })
    exchange.record.subject = subject
    exchange.record.outcome = allowed ? 'consented' : 'access_denied'
    return decidedPage(allowed)
  })
}

function undecided(typed: string, exchange: Exchange, practice: Practice): DeviceCode {
  const code = practice.state.userCode(digest(normalUserCode(typed)))
  if (code === undefined) throw new OAuthError('invalid_request', 'no device shows this code')
  exchange.record.clientId = code.clientId
  if (code.expiresAt <= practice.now()) throw new OAuthError('expired_token', 'the code has expired')
  if (code.decision !== undefined) throw new OAuthError('invalid_request', 'the code was used before')
  return code
}

/** A person looks at it: refusals are pages. */
function shown(exchange: Exchange, answer: () => Answer): Answer {
  try {
    return answer()
  } catch (error) {
    if (error instanceof OAuthError) return refusalPage(exchange, error)
    throw error
  }
}
