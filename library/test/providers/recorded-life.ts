import { generateKeyPairSync } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { RecordedAnswer, RecordedRequest } from '@evertoken/testing'
import type { GrantSummary } from '../../src/grants/summary.ts'
import { catalogueProfile } from '../../src/providers/catalogue.ts'
import type { ProviderProfile } from '../../src/providers/profile.ts'

/**
 * One file of `recorded/`: the whole life of a login at a provider, with the requests that it wants and the answers that it gives.
 * A path begins with the provider's host, so that a request to another host does not fit.
 */
export interface RecordedLife {
  /** Of the catalogue. */
  readonly provider?: string
  /** Where the catalogue has none. */
  readonly profile?: ProviderProfile
  /** Rows of `recorded/rows.json` that it proves. */
  readonly rows: readonly string[]
  readonly client: {
    readonly clientId?: string
    readonly clientSecret?: string
    readonly scope?: string
    readonly variables?: Readonly<Record<string, string>>
    readonly parameters?: Readonly<Record<string, string>>
    readonly redirectUri?: string
    /** A key of this algorithm, made for the test, with the id `KEY1`. */
    readonly signingKey?: keyof typeof keys
  }
  /** How it begins. Default `consent`. */
  readonly begins?: 'consent' | 'import' | 'mint' | 'login' | 'request'
  /** How it is renewed where its tokens do not expire. */
  readonly renewedByHand?: boolean
  readonly authorize?: {
    readonly address: string
    readonly parameters: Readonly<Record<string, string>>
    /** Regular expressions that whole values must match. */
    readonly patterns?: Readonly<Record<string, string>>
    readonly fragment?: string
  }
  /** What the provider sends the person back with besides. */
  readonly callback?: { readonly source: string; readonly parameters: Readonly<Record<string, string>> }
  /** What the JWT says that goes with each request, in this parameter of the form or header. */
  readonly signed?: {
    readonly parameter?: string
    readonly header?: string
    readonly claims: Readonly<Record<string, string>>
    /** Seconds. */
    readonly lifetime: number
  }
  readonly first: Step<ExpectedToken>
  /** What brings the lasting token for the first one, whose value then is this one's. */
  readonly second?: Omit<Step<never>, 'expect'>
  /** Where an API wants the token of the first answer: header, and its whole value. */
  readonly api?: readonly [string, string]
  /** How many logins live at a time, and of what. */
  readonly loginLimit?: { readonly count: number; readonly per: string }
  /** A refresh right after the login is refused here, and nothing is sent. */
  readonly refusesEarly?: true
  /** The grants of the other tokens of the first answer, and how each is renewed by itself. */
  readonly secondary?: Readonly<
    Record<string, { readonly expect: ExpectedToken; readonly refresh: Step<ExpectedToken> }>
  >
  /** Answered once, in place of the refresh. */
  readonly error?: Step<ExpectedTrouble>
  readonly refresh?: Step<ExpectedToken>
  /** Answered for ever after. */
  readonly dead?: Step<ExpectedTrouble & { readonly ends?: GrantSummary['state'] }>
  /** Another life, which ends after the first answer because its owner wants that; what became of it and of each kind of token. */
  readonly revoke?: Step<Readonly<Record<string, string>>>
}

/** Those that a life may name, new for each run. */
export const keys = {
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  RS256: generateKeyPairSync('rsa', { modulusLength: 2048 }),
} as const

export interface Step<Expected> {
  /** Where the answer was read; or it is only recalled. */
  readonly source?: string
  readonly recalled?: true
  /** What is not said is as in the step before: the first for `refresh`, that for `error` and `dead`. */
  readonly request?: Partial<RecordedRequest>
  readonly answer?: RecordedAnswer
  readonly expect: Expected
}

export interface ExpectedToken {
  readonly value: string
  /** Default `Bearer`. */
  readonly type?: string
  /** Seconds. */
  readonly lifetime: number
  /** Default `stated`. */
  readonly lifetimeFrom?: GrantSummary['lifetimeFrom']
  readonly scope?: readonly string[]
  readonly metadata?: Readonly<Record<string, unknown>>
  /** Seconds; absent where nothing is known of it. `as before`: a refresh moves its end no further. */
  readonly refreshTokenLifetime?: number | 'as before'
}

export type ExpectedTrouble = Partial<Pick<GrantSummary, 'state' | 'unresolved' | 'lastError'>>

const folder = path.join(import.meta.dirname, 'recorded')

/** The names of all files, without their end. */
export const recordedNames = (): readonly string[] =>
  fs
    .readdirSync(folder)
    .filter((file) => file.endsWith('.json') && file !== 'rows.json')
    .map((file) => file.slice(0, -'.json'.length))
    .sort()

export const readRecorded = (name: string): RecordedLife =>
  JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), 'utf8')) as RecordedLife

/** A row of the list of quirks: proven by a file of `recorded/` or by a test elsewhere, or open for a reason. */
export interface QuirkRow {
  readonly section: 1 | 2 | 3 | 4
  readonly row: string
  /** `path › part of a test's name` from the root of the repository. */
  readonly elsewhere?: readonly string[]
  readonly open?: string
}

export const quirkRows = (): readonly QuirkRow[] =>
  JSON.parse(fs.readFileSync(path.join(folder, 'rows.json'), 'utf8')) as QuirkRow[]

export const profileOf = ({ provider, profile }: RecordedLife): ProviderProfile =>
  profile ?? (catalogueProfile(provider ?? '') as ProviderProfile)
