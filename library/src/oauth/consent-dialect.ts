import type { ProviderDialect } from '../providers/dialect.ts'
import { Secret } from '../secret.ts'
import { renamed, rulesOf, withParameters } from './request-dialect.ts'
import { fillTemplate } from './template.ts'

/**
 * The parameters of an authorization request in the words of a provider. They are seen in the address bar of a browser: a secret of
 * ours is never among them, and `state` stays whatever the profile says.
 *
 * @param given what our user wrote himself; it stays as he wrote it.
 */
export function writeAuthorization(
  dialect: ProviderDialect,
  composed: URLSearchParams,
  given: Readonly<Record<string, string>>,
): URLSearchParams {
  const { consent = {} } = dialect
  const rules = rulesOf(dialect, 'authorize')
  const standard = new URLSearchParams(composed)
  const scope = standard.get('scope')
  if (consent.scope_separator !== undefined && scope !== null)
    standard.set('scope', scope.replaceAll(' ', consent.scope_separator))
  const seen = (name: string): string | undefined => visible(dialect, name) ?? standard.get(name) ?? undefined
  const changed = withParameters(standard, { ...rules.parameters, ...consent.parameters }, given, seen)
  const parameters = renamed(changed, { ...rules.rename, ...consent.rename, state: 'state' })
  parameters.set('state', composed.get('state') as string)
  return parameters
}

/** What follows the `#`, if anything does. */
export function fragmentOf(dialect: ProviderDialect | undefined): string | undefined {
  const fragment = dialect?.consent?.fragment
  if (dialect === undefined || fragment === undefined) return undefined
  return fillTemplate(fragment, (name) => visible(dialect, name))
}

/** A variable, unless it is a secret. */
function visible({ variables }: ProviderDialect, name: string): string | undefined {
  const value = Object.hasOwn(variables, name) ? variables[name] : undefined
  return value instanceof Secret ? undefined : value
}
