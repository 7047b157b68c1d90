import type { Fault } from './origin.ts'

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>

const reference = /\$\$\{|\$\{([^}]*)\}?/g
const variable = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * The text with every `${NAME}` replaced from the environment; `$${` stands for `${`. What comes out of the
 * environment is not looked at again. Without an environment, null, a text must not ask for it.
 */
export function interpolated(
  text: string,
  environment: Environment | null,
  fail: (problem: string, fault: Fault) => Error,
): string {
  if (!text.includes('${')) return text
  if (environment === null)
    throw fail('nothing comes from the environment here', {
      advice: 'Declare a variable of the profile, {name}, and give its value under variables of the client.',
    })
  return text.replaceAll(reference, (whole, name: string | undefined) => {
    if (name === undefined) return '${'
    if (!whole.endsWith('}') || !variable.test(name))
      throw fail('a ${ begins no name of an environment variable', {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: this is what they are to write
        advice: 'Write ${NAME} with letters, digits and underscores, and $${ for a ${ that is meant as such.',
      })
    const value = Object.hasOwn(environment, name) ? environment[name] : undefined
    if (value === undefined)
      throw fail(`the environment variable ${name} is not set`, {
        code: 'missing_environment_variable',
        advice: `Set ${name} where evertoken is started, or write the value into a file and name that.`,
      })
    return value
  })
}
