import { randomInt } from 'node:crypto'
import { createInterface } from 'node:readline'
import { EvertokenError, type GrantSummary } from 'evertoken'
import type { Environment } from './environment.ts'
import type { Consent } from './grants.ts'
import { inTime, invite } from './invitation.ts'
import type { LoginOptions } from './login.ts'
import { callbackPath, listenForCallback, type Taken } from './loopback.ts'
import { atTerminal, Questions } from './questions.ts'

type LocalConsent = Extract<Consent, { kind: 'here' }>

/** The provider sends the person back to this process, or the person brings the address over, or types a code elsewhere. */
export async function localLogin(
  id: string,
  consent: LocalConsent,
  options: LoginOptions,
  environment: Environment,
): Promise<GrantSummary> {
  if (options.device === true) {
    const { deviceLogin } = await import('./device-login.ts')
    return deviceLogin(id, consent, options, environment)
  }
  return options.paste === true
    ? pasted(id, consent, options, environment)
    : received(id, consent, options, environment)
}

async function received(
  id: string,
  consent: LocalConsent,
  { port = 0, open, otherAccount }: LoginOptions,
  environment: Environment,
): Promise<GrantSummary> {
  const { promise, resolve, reject } = Promise.withResolvers<GrantSummary>()
  const take = async (callback: URL): Promise<Taken> => {
    try {
      const grant = await consent.finish(callback)
      resolve(grant)
      const { thanks = `${id} is kept alive from now on. You can close this page.` } = consent
      return { kind: 'done', text: thanks }
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      // A stranger's request, or the same page once more: the real answer may still come.
      if (isForeign(error)) return { kind: 'again', text }
      reject(error)
      return { kind: 'failed', text: `${text}. The terminal says more.` }
    }
  }
  await using loopback = await listenForCallback(port, take)
  const begun = await consent.begin(id, loopback.redirectUri, otherAccount)
  await invite(begun, open, environment)
  environment.stderr.write(
    'Waiting for the answer; Ctrl-C ends it. On a machine without a browser: --device or --paste\n',
  )
  return await inTime(id, begun.expiresAt, environment, promise)
}

const isForeign = (error: unknown): boolean =>
  error instanceof EvertokenError && (error.code === 'state_unknown' || error.code === 'state_missing')

async function pasted(
  id: string,
  consent: LocalConsent,
  { port = randomInt(49_152, 65_536), otherAccount }: LoginOptions,
  environment: Environment,
): Promise<GrantSummary> {
  const begun = await consent.begin(id, `http://127.0.0.1:${port}${callbackPath}`, otherAccount)
  await invite(begun, false, environment)
  environment.stderr.write(
    'After you have consented, the browser ends at a page on 127.0.0.1 that it cannot show. That is as it should be:\ncopy the whole address of that page and paste it here.\n',
  )
  return consent.finish(await inTime(id, begun.expiresAt, environment, typedAddress(environment)))
}

async function typedAddress(environment: Environment): Promise<URL> {
  if (atTerminal(environment)) {
    const answer = await new Questions(environment).text('Address', (text) =>
      isAnswer(text) ? undefined : 'Paste the whole address, from http:// on, with code= and state= in it.',
    )
    return new URL(answer)
  }
  const lines = createInterface({ input: environment.stdin })
  try {
    for await (const line of lines) {
      const text = line.trim()
      if (text === '') continue
      if (isAnswer(text)) return new URL(text)
      break
    }
  } finally {
    lines.close()
  }
  throw new EvertokenError('usage', 'what came on stdin is not the address at which the browser ended', {
    advice: 'Give the whole address, from http:// on, as one line.',
  })
}

const isAnswer = (text: string): boolean => URL.parse(text)?.searchParams.has('state') ?? false
