import { OAuthRefusal } from './oauth-error.ts'

/** A form of RFC 6749 appendix B: what came with a value, by name. Only those of {@link repeatable} have several. */
export type OAuthForm = ReadonlyMap<string, readonly [string, ...string[]]>

/** RFC 8707 section 2 and RFC 8693 section 2.1. */
const repeatable: ReadonlySet<string> = new Set(['resource', 'audience'])

/**
 * Reads a form. Parameters without a value count as absent (RFC 6749 section 3.2), and unknown ones are kept, for their reader to
 * ignore.
 *
 * @throws OAuthRefusal `invalid_request` for a parameter that comes twice; its value is never repeated.
 */
export function readForm(text: string): OAuthForm {
  const form = new Map<string, [string, ...string[]]>()
  for (const [name, value] of new URLSearchParams(text)) {
    if (value === '') continue
    const values = form.get(name)
    if (values === undefined) form.set(name, [value])
    else if (repeatable.has(name)) values.push(value)
    else throw new OAuthRefusal('invalid_request', `the parameter ${name.slice(0, 100)} comes twice`)
  }
  return form
}

/** The form of a request. Without any body there is nothing to parse, and it is empty. */
export const formOf = (body: unknown): OAuthForm => (body instanceof Map ? body : new Map())
