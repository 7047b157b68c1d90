import { styleText } from 'node:util'
import type { DeviceConsent, GrantSummary } from 'evertoken'
import { durationText } from './duration.ts'
import type { Environment } from './environment.ts'
import type { Consent } from './grants.ts'
import type { LoginOptions } from './login.ts'
import { withProgress } from './progress.ts'

type LocalConsent = Extract<Consent, { kind: 'here' }>

/** The person types a code on any device; we ask the provider until that is done (RFC 8628). */
export async function deviceLogin(
  id: string,
  consent: LocalConsent,
  { otherAccount }: Pick<LoginOptions, 'otherAccount'>,
  environment: Environment,
): Promise<GrantSummary> {
  const { clock, stderr, signal } = environment
  const shown = await consent.beginOnDevice(id, signal, otherAccount)
  stderr.write(instructions(shown, environment))
  // As wide as it ever gets, so that nothing of a longer time stays behind a shorter one.
  const left = (): string => durationText(shown.expiresAt - clock.now()).padEnd('23 h 59 m'.length)
  return withProgress(
    () => `waiting for somebody to consent to ${id}; the code is good for ${left()}`,
    environment,
    shown.finished,
  )
}

function instructions(shown: DeviceConsent, { clock, isTerminal, stderr }: Environment): string {
  const { userCode, verificationUri, verificationUriComplete: complete, expiresAt } = shown
  const patience = durationText(expiresAt - clock.now())
  const link =
    complete === undefined
      ? ''
      : `\nThis link has the code in it; compare it with the one above:\n\n  ${complete}\n`
  const code = isTerminal.stderr ? framed(userCode, stderr as NodeJS.WriteStream) : `  ${userCode}`
  return `Open this page on any device, within ${patience}:

  ${verificationUri}

and type this code there:

${code}
${link}
Waiting for the answer; Ctrl-C ends it.
`
}

/** Read from across a desk, and typed into a telephone. */
function framed(code: string, stream: NodeJS.WriteStream): string {
  const bar = '─'.repeat(code.length + 6)
  return [`  ╭${bar}╮`, `  │   ${styleText('bold', code, { stream })}   │`, `  ╰${bar}╯`].join('\n')
}
