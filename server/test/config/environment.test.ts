// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are what people write into the file
import { describe, expect, test } from 'vitest'
import { acme, configured, mistakeIn } from './configured.ts'

const clientSecret = (text: string, environment: Record<string, string>) => {
  const yaml = acme().replace('hunter2', () => text)
  const { authentication } = configured(yaml, environment).grants[0]!.definition.client
  return 'secret' in authentication ? authentication.secret.reveal() : undefined
}

describe('an environment variable', () => {
  test.each([
    ['${SECRET}', 's3'],
    ['"a-${SECRET}-${OTHER}"', 'a-s3-o'],
    ['$${SECRET}', '${SECRET}'],
    ['"$${SECRET}${SECRET}"', '${SECRET}s3'],
    ['$SECRET', '$SECRET'],
    ['${NESTED}', '${SECRET}'],
  ])('in %s gives %s', (text, value) => {
    expect(clientSecret(text, { SECRET: 's3', OTHER: 'o', NESTED: '${SECRET}' })).toBe(value)
  })

  test('may stand in any text, also in a list', () => {
    const yaml = acme({ grant: '    scope: ["${A}", b]\n    labels: { team: "${TEAM}" }\n' })
    const [grant] = configured(`listen: "127.0.0.1:\${PORT}"\n${yaml}`, {
      A: 'x',
      TEAM: 't',
      PORT: '1234',
    }).grants
    expect(grant!.definition.scope).toEqual(['x', 'b'])
    expect(grant!.labels).toEqual({ team: 't' })
  })

  test('that is not set is named with file and line', () => {
    const error = mistakeIn(acme().replace('hunter2', '${ACME_SECRET}'))
    expect(error).toMatchObject({
      code: 'missing_environment_variable',
      line: 5,
      message:
        'evertoken.yaml:5: clients.acme.client_secret: the environment variable ACME_SECRET is not set',
    })
    expect(error.advice).toContain('ACME_SECRET')
  })

  test('of the name of a member of every object is not set either', () => {
    expect(mistakeIn('listen: ${toString}').code).toBe('missing_environment_variable')
  })

  test.each(['${}', '${A-B}', '${A:-default}', '${A', '${ A }'])('written as %s is refused', (text) => {
    expect(mistakeIn(`listen: "${text}"`, { A: '1' })).toMatchObject({
      code: 'invalid_configuration',
      line: 1,
    })
  })
})

describe('an empty secret', () => {
  test.each([['""'], ['"   "'], [''], ['${EMPTY}']])('given as %s is refused', (text) => {
    expect(
      mistakeIn(
        acme().replace('hunter2', () => text),
        { EMPTY: '' },
      ),
    ).toMatchObject({
      code: 'empty_secret',
      line: 5,
      message: 'evertoken.yaml:5: clients.acme.client_secret: this secret is empty',
    })
  })
})
