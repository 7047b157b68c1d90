import { hasStrayBraces, namesIn } from '../oauth/template.ts'
import type { ProviderProfile } from '../providers/profile.ts'
import { invalid } from './option-check.ts'
import { standardParameters } from './profile-request-check.ts'

/** Whether the JWT with which clients prove themselves can be made and sent. Throws `invalid_configuration`. */
export function checkClientAssertion(profile: ProviderProfile): void {
  const { client_assertion: assertion, client_authentication: method } = profile
  if (assertion === undefined) return
  if (method !== 'private_key_jwt')
    throw invalid(
      `client_assertion: has no effect with client_authentication ${method ?? 'left out'}`,
      'Set client_authentication: private_key_jwt.',
    )
  checkTexts(profile, 'client_assertion', assertion)
  checkTime('client_assertion.lifetime', assertion.lifetime, 1)
  const { parameter = 'client_assertion' } = assertion
  if (!/^[A-Za-z0-9_.-]{1,64}$/.test(parameter))
    throw invalid('client_assertion.parameter: is no name of a parameter')
  if (standardParameters.has(parameter) && !carriers.includes(parameter))
    throw invalid(`client_assertion.parameter: ${parameter} says something else`)
}

/** Parameters of the RFCs that may carry it. */
const carriers = ['client_assertion', 'client_secret']

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
