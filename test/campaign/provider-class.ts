import type { Rotation } from '@evertoken/testing'
import type { LifetimeOptions } from 'evertoken'

/** Kinds of provider that a campaign is run against; strict ones with and without something to probe. */
export const providerClasses = [
  'strict_probe',
  'strict',
  'idempotent',
  'last_child_wins',
  'fork',
  'non_rotating',
] as const

export type ProviderClass = (typeof providerClasses)[number]

export const rotationOf = (name: ProviderClass): Rotation => {
  switch (name) {
    case 'strict_probe':
    case 'strict':
      return 'strict'
    case 'non_rotating':
      return 'none'
    case 'idempotent':
    case 'last_child_wins':
    case 'fork':
      return name
    default:
      return name satisfies never
  }
}

export const isWindowed = (name: ProviderClass): boolean =>
  name === 'idempotent' || name === 'last_child_wins' || name === 'fork'

/** What we are told of such a provider; `reuseWindow` in seconds. */
export function lifetimeOptions(name: ProviderClass, reuseWindow: number): LifetimeOptions {
  switch (name) {
    case 'strict_probe':
      return { replayClass: 'strict', introspection: true }
    case 'strict':
      return { replayClass: 'strict' }
    case 'non_rotating':
      return { replayClass: 'non_rotating' }
    case 'idempotent':
    case 'last_child_wins':
    case 'fork':
      return { replayClass: name, reuseWindow }
    default:
      return name satisfies never
  }
}
