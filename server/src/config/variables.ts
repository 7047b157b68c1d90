import { type ProviderProfile, Secret, variablePattern } from 'evertoken'
import { nearestKey } from './nearest-key.ts'
import { fault, type Path } from './origin.ts'
import type { Written } from './secret-file.ts'

type Variables = NonNullable<ProviderProfile['variables']>
type Variable = Variables[string]

/** What a client says for the variables of its provider, each of them asked for and as it must be. */
export function filledIn(
  profile: ProviderProfile,
  given: Readonly<Record<string, string>>,
  written: Written,
  client: Path,
): Readonly<Record<string, string | Secret>> {
  const variables = profile.variables ?? {}
  const place = [...client, 'variables']
  for (const name of Object.keys(given))
    if (!Object.hasOwn(variables, name)) throw unknown(name, profile, written, [...place, name])
  const filled: Record<string, string | Secret> = {}
  for (const [name, variable] of Object.entries(variables)) {
    const value = Object.hasOwn(given, name) ? given[name] : variable.default
    if (value === undefined)
      throw fault(
        written,
        place,
        `${name} is missing, which ${profile.name} needs: ${variable.description}`,
        {
          advice: `Write ${name}: ${variable.example ?? '…'} under variables of the client.`,
        },
      )
    if (!new RegExp(`^(?:${variablePattern(variable)})$`, 'u').test(value))
      throw unfit(value, variable, written, [...place, name])
    filled[name] = variable.secret === true ? new Secret(value) : value
  }
  return Object.freeze(filled)
}

function unknown(name: string, profile: ProviderProfile, written: Written, place: Path): Error {
  const known = Object.keys(profile.variables ?? {})
  const meant = nearestKey(name, known)
  return fault(written, place, `${profile.name} has no such variable`, {
    code: 'unknown_key',
    advice:
      meant !== undefined
        ? `Did you mean ${meant}?`
        : known.length === 0
          ? 'It has none.'
          : `Its variables are ${known.join(', ')}.`,
  })
}

function unfit(value: string, variable: Variable, written: Written, place: Path): Error {
  const { description, example, secret } = variable
  const found = secret === true || value.length > 64 ? 'a text' : `the text ${JSON.stringify(value)}`
  return fault(written, place, `found ${found}, which is not ${variablePattern(variable)}`, {
    advice: `${description}${example === undefined ? '' : ` For example ${example}.`}`,
  })
}
