/** `{tenant}`: a name between braces. Other braces are text, as in a parameter that holds JSON. */
const placeholder = /\{([a-z][a-z0-9_]*)\}/g

/** What a template names, in the order of its text. */
export const namesIn = (template: string): readonly string[] =>
  Array.from(template.matchAll(placeholder), ([, name]) => name as string)

/** Whether braces are left that name nothing: `{Tenant}`, `{tenant`. */
export const hasStrayBraces = (template: string): boolean => /[{}]/.test(template.replaceAll(placeholder, ''))

/** The template with its names filled in; undefined where `textOf` does not know one of them. */
export function fillTemplate(
  template: string,
  textOf: (name: string) => string | undefined,
): string | undefined {
  let missing = false
  const filled = template.replaceAll(placeholder, (_, name: string) => {
    const value = textOf(name)
    missing ||= value === undefined
    return value ?? ''
  })
  return missing ? undefined : filled
}
