import type {
  AccessToken,
  ConsentRequest,
  DeviceConsent,
  GrantSummary,
  LoginCredentials,
  RemovalOptions,
  Replacement,
  Revocation,
  StoredNotice,
  TokenRequest,
  Validation,
} from 'evertoken'
import type { ClientDescription, GrantDescription } from '../config/schema.ts'
import type { Environment } from './environment.ts'
import type { PlaceOptions } from './options.ts'

/** A grant as somebody asks for it, by the keys of evertoken.yaml: the same for a local store and for a broker. */
export type NewGrant = GrantDescription & { client: ClientDescription }

/** A token on its way to stdout. Times are UTC ms. */
export type TokenView = Pick<
  AccessToken,
  'value' | 'type' | 'expiresAt' | 'scope' | 'generation' | 'metadata' | 'stale' | 'presentation'
>

/** How a person consents: where the grants are decides who the provider sends that person back to. */
export type Consent =
  /** To us: whoever begins listens at the redirect URI and hands over the answer. */
  | {
      readonly kind: 'here'
      begin(id: string, redirectUri: string, otherAccount?: boolean): Promise<ConsentRequest>
      finish(callback: URL): Promise<GrantSummary>
      /** On another device, from which nobody comes back. */
      beginOnDevice(id: string, signal: AbortSignal, otherAccount?: boolean): Promise<DeviceConsent>
      /** By user name and password, without a page of the provider's. */
      logIn(id: string, credentials: LoginCredentials): Promise<GrantSummary>
      /** What the browser shows at the end; default: that the grant is kept alive. */
      readonly thanks?: string
    }
  /** To the broker, from a page of its own. */
  | {
      readonly kind: 'broker'
      begin(id: string, otherAccount?: boolean): Promise<Omit<ConsentRequest, 'state'>>
    }

/** What the commands work on: a store on this machine, or a broker. */
export interface Grants extends AsyncDisposable {
  /** The path or URL, for messages. */
  readonly location: string
  readonly consent: Consent
  /** The names that the evertoken.yaml of a local store describes, whether or not the store has them yet. */
  described?(): readonly string[]
  token(id: string, request: TokenRequest): Promise<TokenView>
  list(): Promise<readonly GrantSummary[]>
  show(id: string): Promise<GrantSummary>
  add(id: string, grant: NewGrant): Promise<GrantSummary>
  /** Another client secret or refresh token in the place of its own. */
  replace(id: string, replacement: Replacement): Promise<GrantSummary>
  /** A new token now. */
  refresh(id: string, signal: AbortSignal): Promise<GrantSummary>
  pause(id: string): Promise<GrantSummary>
  resume(id: string): Promise<GrantSummary>
  /** Whether its present token is good. */
  validate(id: string, request: Pick<TokenRequest, 'scope' | 'resource'>): Promise<Validation>
  /** Ends the login, here and at the provider. */
  revoke(id: string): Promise<GrantSummary>
  /** Forgets it; with `revoke` ends the login first, and gives back what the provider made of that. */
  remove(id: string, options: RemovalOptions): Promise<Revocation | undefined>
  /** All notices after that number, oldest first. */
  notices(after: number): Promise<readonly StoredNotice[]>
}

/** The options that every command on grants has. */
export interface GrantsOptions extends PlaceOptions {
  /** `--broker URL` */
  broker?: string | undefined
  /** `--key-file FILE` */
  keyFile?: string | undefined
  json?: boolean | undefined
}

/** How far a command goes for the grant that it names in a local store. */
export interface Reach {
  /** A store that is not there is made; default: it is one without grants. */
  readonly make?: boolean
  /** What evertoken.yaml describes and the store does not have is put there; default true. */
  readonly described?: boolean
}

/** Opens the local store or the broker, as the options say. */
export async function openGrants(
  options: GrantsOptions,
  environment: Environment,
  { make = false, described = true }: Reach = {},
): Promise<Grants> {
  const broker = brokerAddress(options, environment)
  if (broker !== undefined) {
    const { openBroker } = await import('./broker-grants.ts')
    return openBroker(broker, options, environment)
  }
  const [{ findPlace }, { openLocal }] = await Promise.all([
    import('./place.ts'),
    import('./local-grants.ts'),
  ])
  const place = await findPlace(options, environment)
  const { configuration } = place
  if (configuration === undefined) return openLocal(place, environment, make)
  const { namedIn, openDescribed } = await import('./described-grants.ts')
  if (!described) return namedIn(configuration, await openLocal(place, environment, make))
  return openDescribed({ ...place, configuration }, environment, make)
}

/** `--data` on the command line wins over a broker that the environment names: it is the nearer word. */
function brokerAddress(
  { broker, data }: GrantsOptions,
  { env }: Pick<Environment, 'env'>,
): string | undefined {
  if (broker !== undefined) return broker
  const named = env.EVERTOKEN_BROKER
  return data !== undefined || named === undefined || named === '' ? undefined : named
}
