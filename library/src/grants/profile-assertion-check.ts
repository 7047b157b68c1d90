import { hasStrayBraces, namesIn } from '../oauth/template.ts'
import type { ProviderProfile } from '../providers/profile.ts'
import { invalid } from './option-check.ts'

/** Whether what a profile says of assertions can be signed. Throws `invalid_configuration`. */
export function checkAssertion(profile: ProviderProfile): void {
  const { assertion } = profile
  if (assertion === undefined) return
  checkTexts(profile, 'assertion', assertion)
  for (const [name, template] of Object.entries(assertion.claims ?? {}))
    if (template !== null) checkText(profile, `assertion.claims.${name}`, template)
  checkTime('assertion.lifetime', assertion.lifetime, 1)
  checkTime('assertion.backdate', assertion.backdate, 0)
  const { lifetime = 300, backdate = 0 } = assertion
  if (backdate >= lifetime)
    throw invalid('assertion.backdate: is not shorter than the lifetime, so that each one is born expired')
}

type Texts = { readonly [K in 'issuer' | 'subject' | 'audience']?: string }

function checkTexts(profile: ProviderProfile, path: string, texts: Texts): void {
  for (const key of ['issuer', 'subject', 'audience'] as const)
    if (texts[key] !== undefined) checkText(profile, `${path}.${key}`, texts[key])
}

/** It is signed, and can be read by everybody on its way. */
function checkText({ variables = {} }: ProviderProfile, path: string, template: string): void {
  if (template === '') throw invalid(`${path}: is empty`)
  if (hasStrayBraces(template)) throw invalid(`${path}: has braces that hold no name of a variable`)
  for (const name of namesIn(template)) {
    if (name !== 'client_id' && !Object.hasOwn(variables, name))
      throw invalid(
        `${path}: names {${name}}, which is no variable and not {client_id}`,
        `Add variables.${name}.`,
      )
    if (variables[name]?.secret === true)
      throw invalid(`${path}: holds the secret {${name}}`, 'What an assertion says can be read by everybody.')
  }
}

function checkTime(path: string, seconds: number | undefined, least: number): void {
  if (seconds !== undefined && (!Number.isFinite(seconds) || seconds < least))
    throw invalid(`${path}: is no number of seconds from ${least} up`)
}
