import path from 'node:path'
import type { ProviderProfile } from 'evertoken'
import { catalogueIds, catalogueProfile } from 'evertoken/providers'
import { expect, test } from 'vitest'
import { type Profile, profileSchema } from '../../src/config/profile-schema.ts'
import { checkOptions } from '../../src/config/validation.ts'
import { writtenProfileSchema } from '../../src/config/written-profile.ts'
import { publishedText, silentKeys } from './published.ts'

type Unchangeable<T> = T extends object ? { readonly [K in keyof T]: Unchangeable<T[K]> } : T

/** The compiler says where one has a key, or a value, that the other has not. */
const sameTypes = {
  ofTheSchema: (profile: ProviderProfile): Unchangeable<Profile> => profile,
  ofTheLibrary: (profile: Profile): ProviderProfile => profile,
}

test('the schema and the type of the library are of one mind', () => {
  const profile: Profile = {
    id: 'acme',
    name: 'Acme',
    facts: facts(),
    variables: { a: { description: 'b' } },
  }
  expect(sameTypes.ofTheSchema(sameTypes.ofTheLibrary(profile))).toBe(profile)
})

const facts = () => ({ confidence: 'read' as const, sources: [], checked: '2026-11-25' })

test.each(catalogueIds())('%s of the catalogue is a profile, whole and as people may write it', (id) => {
  const profile = catalogueProfile(id)
  expect(profile?.id).toBe(id)
  checkOptions(profileSchema, profile, {})
  checkOptions(writtenProfileSchema, profile, {})
})

test('the published schema of a profile is the one that profiles are held against', async () => {
  const text = publishedText('A provider of evertoken', writtenProfileSchema)
  // `vitest run server/test/config/profile-schema.test.ts -u` writes it anew.
  await expect(text).toMatchFileSnapshot(
    path.join(import.meta.dirname, '../../evertoken-provider.schema.json'),
  )
})

test('every key of it says what it is for', () => {
  expect(silentKeys(writtenProfileSchema)).toEqual([])
})

const acme = { id: 'acme', name: 'Acme', token_url: 'https://acme.example/token' }

const refused = (more: object): { code: string; said: string; advice: string | undefined } => {
  try {
    checkOptions(profileSchema, { ...acme, ...more }, {})
  } catch (error) {
    const { code, message, advice } = error as { code: string; message: string; advice?: string }
    return { code, said: message, advice }
  }
  throw new Error('it was accepted')
}

test.each([
  [{ token_ulr: 'x' }, 'token_ulr: there is no such key', 'Did you mean token_url?'],
  [{ requests: { refersh: {} } }, 'requests.refersh: there is no such key', 'Did you mean refresh?'],
  [{ id: 'Acme Inc' }, 'id: found the text "Acme Inc", expected a text such as google', undefined],
  [
    { token_url: 'https://{tenant/token' },
    'token_url: found the text "https://{tenant/token", expected an https URL',
    expect.stringContaining('{tenant}'),
  ],
  [
    { token_url: '{base}/token' },
    'token_url: found the text "{base}/token", expected an https URL',
    expect.any(String),
  ],
  [
    { token_url: 'https://{tenant}@evil.example/token' },
    'token_url: this URL holds a user name or password',
    expect.any(String),
  ],
  [
    { answer: { access_token: 'authorization.token' } },
    'answer.access_token: found the text "authorization.token", expected a JSON pointer',
    expect.stringContaining('/authorization/token'),
  ],
  [
    { answer: { expiry: ['/a', 'b'] } },
    'answer.expiry.1: found the text "b", expected a JSON pointer',
    expect.any(String),
  ],
  [{ answer: { expiry: [] } }, 'answer.expiry: this list is empty', undefined],
  [
    { answer: { expiry_format: 'iso' } },
    'answer.expiry_format: found the text "iso", expected one of relative_s, relative_ms, epoch_s, epoch_ms, iso8601',
    undefined,
  ],
  [
    { errors: [{ status: 400.5, means: 'dead' }] },
    'errors.0.status: found the number 400.5, expected a whole number',
    'HTTP status.',
  ],
  [
    { errors: [{ status: 42, means: 'dead' }] },
    'errors.0.status: found 42, expected a number from 100 to 599',
    undefined,
  ],
  [
    { errors: [{ code: 'x', means: 'daed' }] },
    'errors.0.means: found the text "daed", expected one of dead, person, transient, ambiguous, configuration, rate_limited',
    'Did you mean dead?',
  ],
  [
    { variables: { Tenant: { description: 'x' } } },
    'variables.Tenant: this cannot name a variable',
    'Use lower-case letters, digits and underscores, beginning with a letter, up to 64.',
  ],
  [{ variables: { tenant: {} } }, 'variables.tenant: description is missing, expected a text', undefined],
  [
    { variables: { tenant: { description: 'x', pattern: '(' } } },
    'variables.tenant.pattern: found the text "(", expected a regular expression',
    undefined,
  ],
  [
    { facts: { ...facts(), checked: 'May 2026' } },
    'facts.checked: found the text "May 2026", expected a date such as 2026-11-25',
    undefined,
  ],
  [
    { requests: { refresh: { parameters: { scope: 7 } } } },
    'requests.refresh.parameters.scope: found the number 7, expected a text or nothing',
    undefined,
  ],
])('a profile with %j is refused', (more, said, advice) => {
  expect(refused(more)).toMatchObject({ said, advice })
})

test('a parameter may be left out by null, and be empty', () => {
  const parameters = { client_secret: null, audience: '' }
  checkOptions(profileSchema, { ...acme, requests: { refresh: { parameters } } }, {})
})
