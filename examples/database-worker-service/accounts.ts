import { EvertokenError, type GrantDefinition, Keeper, refreshToken } from 'evertoken'
import { postgresStore } from 'evertoken/postgres'
import { catalogueProfile, type ProviderProfile } from 'evertoken/providers'

/** An account at Quartile: its name here, and the newest refresh token of its login. */
export interface Account {
  readonly name: string
  readonly refresh_token: string
}

/** A variable that must be set. */
export function setting(name: string, otherwise?: string): string {
  const value = process.env[name] ?? otherwise
  if (value !== undefined && value !== '') return value
  console.error(`set the environment variable ${name}`)
  process.exit(2)
}

/** Says what went wrong and what to do about it, and ends the program. */
export function end(error: unknown): never {
  const { message, cause } = error as Error
  const advice = error instanceof EvertokenError ? error.advice : (cause as Error | undefined)?.message
  console.error([message, advice].filter(Boolean).join('. '))
  process.exit(1)
}

/** The database, for any number of processes on any number of machines. The folder holds the key of the encryption, and is on a disk that stays. */
export const openDatabase = async (): Promise<Keeper> => {
  const store = postgresStore({ url: setting('DATABASE_URL'), folder: setting('TOKENS_FOLDER', 'tokens') })
  return Keeper.open({
    store,
    // Quartile may end a token the moment its successor is made, which the profile says: so a renewal begins only when no process answers from
    // memory any more, and readers wait for it. For as long as it takes, and not for two seconds only, before they are told to come again.
    timing: { mandatoryWait: 15_000 },
  })
}

/** The whole answer, as Quartile documents it, goes to whoever reads a token; but for the tokens, which are not metadata. */
const metadata = {
  type: '/authorization/type',
  expires_in: '/authorization/expires_in',
  expires_at: '/authorization/expires_at',
  not_before: '/authorization/not_before',
  note: '/authorization/note',
  refresh_expires_in: '/refresh/expires_in',
  refresh_expires_at: '/refresh/expires_at',
  refresh_note: '/refresh/note',
}

/** One line of what is imported. A mistake in it is told by its number: the line itself holds a login. */
export function accountIn(line: string, number: number): Account {
  try {
    const { name, refresh_token } = JSON.parse(line) as Partial<Account>
    if (typeof name === 'string' && typeof refresh_token === 'string') return { name, refresh_token }
  } catch {
    // What JSON.parse says quotes the line.
  }
  throw new Error(`line ${number} is no account: write {"name": …, "refresh_token": …}`)
}

/** An account's login, renewed five minutes before its token ends. */
export function login({ refresh_token }: Account): GrantDefinition {
  const known = catalogueProfile('quartile') as ProviderProfile
  const origin = setting('QUARTILE_URL', 'https://api.quartile.com')
  return refreshToken({
    profile: {
      ...known,
      token_url: `${origin}/auth/{version}/login`,
      requests: {
        ...known.requests,
        refresh: { ...known.requests?.refresh, url: `${origin}/auth/{version}/refresh` },
      },
      answer: { ...known.answer, metadata },
    },
    variables: { subscription_key: setting('QUARTILE_SUBSCRIPTION_KEY') },
    clientId: 'quartile',
    refreshToken: refresh_token,
    refreshBefore: 300,
  })
}
