import { styleText } from 'node:util'
import type { GrantSummary, NoticeKind, Revocation } from 'evertoken'
import { apiText } from './dialect-text.ts'
import { distanceText, durationText } from './duration.ts'
import type { Environment } from './environment.ts'
import { toldLines, upstreamText } from './revocation-text.ts'
import { table } from './table.ts'

type State = GrantSummary['state']
type Style = Parameters<typeof styleText>[0]

const styles = {
  active: 'green',
  pending: 'cyan',
  suspect: 'yellow',
  reauthorization_required: 'red',
  paused: 'dim',
  quarantined: 'red',
  revoking: 'yellow',
  revoked: 'dim',
} as const satisfies Record<State, Style>

/** How grants look to people. Colours only where the stream is a terminal and NO_COLOR is not set. */
export class GrantText {
  readonly #stdout: NodeJS.WriteStream
  readonly #now: number

  constructor({ stdout, clock }: Pick<Environment, 'stdout' | 'clock'>) {
    this.#stdout = stdout as NodeJS.WriteStream
    this.#now = clock.now()
  }

  state(state: State): string {
    return this.#paint(styles[state] ?? 'none', state)
  }

  table(grants: readonly GrantSummary[]): string {
    const head = ['NAME', 'STATE', 'TYPE', 'PROVIDER', 'LEFT', 'GEN', 'NEXT', 'LAST ERROR', 'NOTICE']
    return table(
      head.map((title) => this.#paint('bold', title)),
      grants.map((grant) => [
        grant.id,
        this.state(grant.state),
        `${grant.grantType}${grant.senderConstrained === true ? ', DPoP' : ''}`,
        grant.provider,
        this.#left(grant),
        grant.generation === 0 ? '-' : String(grant.generation),
        grant.nextAttemptAt === undefined ? '-' : distanceText(grant.nextAttemptAt, this.#now),
        grant.lastError === undefined ? '-' : this.#paint('red', grant.lastError.code),
        this.#notice(grant),
      ]),
    )
  }

  /** One grant, everything that may be read of it. */
  details(grant: GrantSummary): string {
    const at = (time: number | undefined): string | undefined =>
      time === undefined ? undefined : `${new Date(time).toISOString()} (${distanceText(time, this.#now)})`
    const { lastError } = grant
    const lines: [string, string | undefined][] = [
      ['name', grant.id],
      ['state', this.state(grant.state)],
      ['reason', grant.reason],
      ['grant type', grant.grantType],
      ['provider', grant.provider],
      ['replay class', grant.replayClass],
      ['labels', textOf(grant.labels)],
      ['scope', grant.scope.join(' ') || undefined],
      ['token', grant.generation === 0 ? 'none yet' : `generation ${grant.generation}, ${grant.freshness}`],
      ['bound', boundText(grant)],
      ['expires', at(grant.expiresAt)],
      ['api', grant.api && apiText(grant.api)],
      ['lifetime', lifetimeText(grant)],
      ['other tokens', grant.otherTokens === 0 ? undefined : String(grant.otherTokens)],
      ['next refresh', at(grant.nextAttemptAt)],
      ['last refresh', at(grant.lastRefreshAt)],
      ['last attempt', at(grant.lastAttemptAt)],
      ['failures', grant.failures === 0 ? undefined : `${grant.failures} in a row`],
      ['last error', lastError && this.#paint('red', `${lastError.code}: ${lastError.message}`)],
      ['', lastError && `${at(lastError.at)}`],
      ['advice', adviceOn(grant)],
      ['unresolved', grant.unresolved ? 'a refresh was sent and its answer is not known' : undefined],
      ['candidates', grant.candidates === 0 ? undefined : candidatesText(grant.candidates)],
      ['login ends', at(grant.refreshTokenExpiresAt)],
      ['upstream', grant.upstream && upstreamText[grant.upstream]],
      ...toldLines(grant, this.#now).map(([name, words]): [string, string] => [name, words]),
      ...grant.notices.map(({ kind, message, at: time }, index): [string, string] => [
        index === 0 ? 'notices' : '',
        `${new Date(time).toISOString()} ${this.#paint(noticeStyles[kind] ?? 'none', kind)}: ${message}`,
      ]),
      ['created', at(grant.createdAt)],
      ['changed', at(grant.updatedAt)],
    ]
    return lines
      .filter(([, value]) => value !== undefined && value !== '')
      .map(([name, value]) => `${this.#paint('dim', name.padEnd(14))}${value}\n`)
      .join('')
  }

  /** In one line, after something was done. */
  line(done: string, grant: GrantSummary): string {
    const token =
      grant.expiresAt === undefined
        ? ''
        : `, generation ${grant.generation}, ${durationText(grant.expiresAt - this.#now)} left`
    return `${done} ${grant.id}: ${this.state(grant.state)}${token}\n`
  }

  /** After somebody asked for it: how far it came, and what became of each kind of token. */
  revocation(grant: GrantSummary): string {
    const { id, upstream } = grant
    const done =
      upstream === undefined
        ? `revoking ${id}: nothing of it is handed out any more; the provider is told as soon as it answers`
        : `revoked ${id}: ${upstreamText[upstream]}`
    return [done, ...this.#toldText(grant)].join('\n')
  }

  /** What became of a removal, and of the login where that was to be ended. */
  removal(id: string, revocation: Revocation | undefined): string {
    if (revocation === undefined) return `removed ${id}`
    const { upstream, told } = revocation
    // Only grants without a login are removed then.
    const failed = 'the provider could not be told; its last access token ends by itself'
    const done = `removed ${id}: ${upstream === 'failed' ? failed : upstreamText[upstream]}`
    return [done, ...this.#toldText({ told })].join('\n')
  }

  #toldText(told: Pick<GrantSummary, 'told' | 'nextAttemptAt'>): string[] {
    return toldLines(told, this.#now).map(([name, words]) => `  ${name}: ${words}`)
  }

  /** The newest, unless it says that all is well. */
  #notice({ notices }: GrantSummary): string {
    const kind = notices.at(-1)?.kind
    if (kind === undefined || kind === 'connected' || kind === 'recovered') return '-'
    return this.#paint(noticeStyles[kind] ?? 'none', kind)
  }

  #left({ expiresAt }: GrantSummary): string {
    if (expiresAt === undefined) return '-'
    return expiresAt <= this.#now ? this.#paint('red', 'expired') : durationText(expiresAt - this.#now)
  }

  #paint(style: Style, text: string): string {
    return styleText(style, text, { stream: this.#stdout })
  }
}

const lifetimes = {
  stated: undefined,
  jwt: 'read from the token, which is a JWT: the provider does not state it',
  introspection: 'asked of the provider (introspection): its answers do not state it',
  assumed: 'assumed: the provider does not state it',
} as const

const lifetimeText = ({ lifetimeFrom = 'stated', lifetimeReason }: GrantSummary): string | undefined =>
  lifetimeReason === undefined ? lifetimes[lifetimeFrom] : `assumed: ${lifetimeReason}`

const noticeStyles: Partial<Record<NoticeKind, Style>> = {
  at_risk: 'yellow',
  reauthorization_required: 'red',
  quarantined: 'red',
  refresh_token_expires_7d: 'yellow',
  refresh_token_expires_1d: 'red',
  lifetime_assumed: 'yellow',
  store_regression: 'red',
}

function boundText({ senderConstrained, grantType, generation }: GrantSummary): string | undefined {
  if (senderConstrained === undefined) return undefined
  if (!senderConstrained) return 'not bound: the provider gave a Bearer token although the request was proved'
  const what = generation === 0 ? 'tokens will be' : 'the token is'
  return `${what} bound to a key of this ${grantType === 'authorization_code' ? 'login' : 'grant'} (DPoP)`
}

const candidatesText = (count: number): string =>
  `${count} other ${count === 1 ? 'refresh token is' : 'refresh tokens are'} kept in case one is the live one`

const isLoggedIn = (grantType: GrantSummary['grantType']): boolean =>
  grantType === 'authorization_code' || grantType === 'password'

/** What the state and the last error ask of whoever looks. */
function adviceOn({ id, state, grantType, lastError }: GrantSummary): string | undefined {
  switch (state) {
    case 'pending':
    case 'reauthorization_required':
      if (isLoggedIn(grantType)) return `Run evertoken login ${id}.`
      return grantType === 'refresh_token'
        ? `Hand in the refresh token of a new login: evertoken replace ${id} --refresh-token-file FILE.`
        : `Mend what was refused, here or at the provider; then evertoken resume ${id}.`
    case 'paused':
      return `evertoken resume ${id} lets it go on.`
    case 'quarantined':
      return `evertoken resume ${id} lets it go on${isLoggedIn(grantType) ? `, evertoken login ${id} begins anew` : ''}.`
    case 'suspect':
      return 'The provider has refused; it is asked again before that is believed. Nothing is to be done yet.'
    case 'revoking':
      return 'A worker or broker tells the provider again when that is due; evertoken worker --once does it now.'
    case 'revoked':
      return isLoggedIn(grantType)
        ? `evertoken login ${id} begins a new login, evertoken remove ${id} forgets it.`
        : `evertoken remove ${id} forgets it; it may then be added anew.`
    case 'active':
      return lastError === undefined ? undefined : adviceOnError(id, lastError.code)
    default:
      return state satisfies never
  }
}

function adviceOnError(id: string, code: NonNullable<GrantSummary['lastError']>['code']): string {
  switch (code) {
    case 'invalid_client':
      return `Check the client id, the secret and how the client authenticates; evertoken replace ${id} takes another secret.`
    case 'invalid_scope':
      return 'Ask for a scope that was granted, or consent again with the wider scope.'
    case 'invalid_target':
      return 'Ask for a resource that the provider knows, or consent again with it.'
    case 'discovery_failed':
      return 'Check the issuer and the network; it is tried again by itself at the time of the next refresh.'
    case 'issuer_mismatch':
      return 'Write the issuer exactly as the provider writes it, down to the last slash.'
    case 'endpoint_moved':
      return 'Ask the provider whether it has moved; if so, name the host in endpoint_hosts of this client.'
    case 'insecure_http':
      return 'Use https, or insecure_http: true on its client where nobody else can listen.'
    case 'provider_redirect':
      return 'Use the final address of the token endpoint.'
    case 'provider_answer_unusable':
      return 'Check that the URL is the token endpoint and not a web page; EVERTOKEN_LOG=wire shows the answer.'
    case 'private_address':
      return 'If the provider is in a network of your own, private_network: true on its client lets requests go there.'
    default:
      return 'It is tried again by itself at the time of the next refresh.'
  }
}

const textOf = (labels: Readonly<Record<string, string>>): string | undefined =>
  Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ') || undefined
