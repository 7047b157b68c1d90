import type { Secret } from '../secret.ts'
import type { ProviderProfile } from './profile.ts'

/** The part of a profile that the wire needs, with what its user has filled in. */
export interface ProviderDialect
  extends Pick<
    ProviderProfile,
    'id' | 'basic' | 'client_assertion' | 'requests' | 'answer' | 'errors' | 'consent'
  > {
  /** By name: every variable of the profile. */
  readonly variables: Readonly<Record<string, string | Secret>>
}
