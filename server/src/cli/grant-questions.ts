import path from 'node:path'
import { EvertokenError, type ProfileVariable, variablePattern } from 'evertoken'
import { readKeyFile } from 'evertoken/sqlite'
import type { Environment } from './environment.ts'
import { flagOf, missingOf, missingVariables, type Required } from './grant-description.ts'
import type { Algorithm, GrantAnswers, GrantTypeName } from './grant-flags.ts'
import { atTerminal, type Check, type Choice, Questions } from './questions.ts'

const types: readonly Choice<GrantTypeName>[] = [
  { value: 'client_credentials', label: 'Client credentials', hint: 'a client id and a secret' },
  { value: 'authorization_code', label: "A person's login", hint: 'in the browser, once' },
  { value: 'jwt_bearer', label: 'Signed assertion', hint: 'a service account with a private key' },
  { value: 'refresh_token', label: 'Refresh token', hint: 'a login that began elsewhere' },
  { value: 'token_exchange', label: 'Another token', hint: 'exchanged for one of the provider (RFC 8693)' },
  {
    value: 'request',
    label: 'A request of its own',
    hint: 'declared by a profile: GitHub App installations',
  },
  { value: 'password', label: "A person's password", hint: 'sent once, by evertoken login; never kept' },
]

const tokenTypes: readonly Choice<string>[] = [
  { value: 'access_token', label: 'Access token' },
  { value: 'jwt', label: 'JWT', hint: 'a service account token of Kubernetes, an identity of CI' },
  { value: 'id_token', label: 'ID token' },
  { value: 'saml2', label: 'SAML 2.0 assertion' },
]

const algorithms: readonly Choice<Algorithm>[] = [
  { value: 'RS256', label: 'RS256', hint: 'RSA' },
  { value: 'ES256', label: 'ES256', hint: 'P-256' },
  { value: 'EdDSA', label: 'EdDSA', hint: 'Ed25519' },
  { value: 'HS256', label: 'HS256', hint: 'a shared secret' },
]

/**
 * Completes what the flags left open. Each answer is checked when it is given, so that none is lost to a later one;
 * without a terminal a missing answer is an error that names its flag.
 */
export async function completed(
  id: string,
  flags: GrantAnswers,
  environment: Environment,
  command: 'add' | 'login' = 'add',
): Promise<GrantAnswers> {
  const [first] = missingOf(flags)
  const [variable] = missingVariables(flags)
  if (first === undefined && variable === undefined) return flags
  if (!atTerminal(environment)) {
    const flag = first === undefined ? variableFlag(flags, variable as string) : flagOf[first]
    throw new EvertokenError('usage', `${flag} is missing`, {
      grant: id,
      advice: `Nobody is here to ask; give it on the command line. evertoken ${command} --help shows an example.`,
    })
  }
  const answers = { ...flags }
  const ask = new GrantQuestions(answers, environment)
  await ask.variables()
  for (let [next] = missingOf(answers); next !== undefined; [next] = missingOf(answers))
    await ask.required(next)
  await ask.optional()
  return answers
}

const notEmpty: Check = (answer) => (answer === '' ? 'This cannot be empty.' : undefined)
const anything: Check = () => undefined

class GrantQuestions {
  readonly #answers: GrantAnswers
  readonly #ask: Questions
  readonly #environment: Environment

  constructor(answers: GrantAnswers, environment: Environment) {
    this.#answers = answers
    this.#ask = new Questions(environment)
    this.#environment = environment
  }

  async required(name: Required): Promise<void> {
    const answers = this.#answers
    switch (name) {
      case 'type':
        answers.type = await this.#ask.select('What do you have from the provider?', types)
        break
      case 'issuer':
        await this.#provider()
        break
      case 'authorizationUrl':
        answers.authorizationUrl = await this.#url(
          'Authorization endpoint',
          'https://auth.example.com/authorize',
        )
        break
      case 'clientId':
        answers.clientId = await this.#ask.text('Client id', notEmpty)
        break
      case 'clientSecret':
        answers.clientSecret = await this.#ask.secret('Client secret', notEmpty)
        break
      case 'refreshToken':
        answers.refreshToken = await this.#ask.secret('The newest refresh token', notEmpty)
        break
      case 'subjectToken':
        answers.subjectTokenFile = path.resolve(
          this.#environment.cwd,
          await this.#ask.text('File in which the subject token is renewed', notEmpty, 'subject.jwt'),
        )
        break
      case 'subjectTokenType':
        answers.subjectTokenType = await this.#ask.select('What is the subject token?', tokenTypes)
        break
      case 'assertionIssuer':
        answers.assertionIssuer = await this.#ask.text('Issuer of the assertion (iss)', notEmpty)
        break
      case 'algorithm':
        answers.algorithm = await this.#ask.select('Which algorithm signs?', algorithms)
        break
      case 'signingKey':
        await this.#signingKey()
        break
      default:
        name satisfies never
    }
  }

  /** What many grants have and none needs. */
  async optional(): Promise<void> {
    const answers = this.#answers
    const person = answers.type === 'authorization_code' || answers.type === 'refresh_token'
    const proves = answers.clientSecret ?? answers.clientAuthentication ?? answers.clientAssertionFile
    if (person && proves === undefined)
      answers.clientSecret = await this.#maybe(
        this.#ask.secret('Client secret (Enter if the client has none)', anything),
      )
    if (answers.scope === undefined) {
      const scope = await this.#maybe(
        this.#ask.text('Scope (Enter for the usual one)', anything, 'read write'),
      )
      if (scope !== undefined) answers.scope = [scope]
    }
  }

  async #maybe(answer: Promise<string>): Promise<string | undefined> {
    return (await answer) || undefined
  }

  /** What the profile of the provider cannot know by itself. */
  async variables(): Promise<void> {
    const answers = this.#answers
    for (const name of missingVariables(answers)) {
      const declared = answers.profile?.profile.variables?.[name] as ProfileVariable
      const { description, example, secret } = declared
      const message = `${name}: ${description}`
      const check = (answer: string): string | undefined => wrongValue(answer, declared)
      const value = await (secret === true
        ? this.#ask.secret(message, check)
        : this.#ask.text(message, check, example))
      answers.variable = { ...answers.variable, [name]: value }
    }
  }

  /** Any of those that are known here, found by typing a part of its name. */
  async #known(): Promise<void> {
    const [{ knownProfiles }, { tellOfProvider }] = await Promise.all([
      import('./named-profile.ts'),
      import('./provider-advice.ts'),
    ])
    const known = knownProfiles(this.#environment)
    const id = await this.#ask.search(
      'Which provider?',
      known.map(({ profile, file }) => ({
        value: profile.id,
        label: profile.name,
        hint: file === undefined ? profile.id : `${profile.id}, yours`,
      })),
    )
    const found = known.find(({ profile }) => profile.id === id)
    if (found === undefined) return
    this.#answers.profile = found
    tellOfProvider(found.profile, this.#environment)
    await this.variables()
  }

  async #provider(): Promise<void> {
    const kind = await this.#ask.select('How is the provider known?', [
      { value: 'known', label: 'By its name', hint: 'Google, GitHub, Slack and many more' },
      { value: 'issuer', label: 'By its issuer URL', hint: 'its endpoints are discovered' },
      { value: 'endpoints', label: 'By its token endpoint' },
    ])
    if (kind === 'known') await this.#known()
    else if (kind === 'issuer')
      this.#answers.issuer = await this.#url('Issuer URL', 'https://auth.example.com')
    else this.#answers.tokenUrl = await this.#url('Token endpoint', 'https://auth.example.com/oauth/token')
  }

  #url(message: string, example: string): Promise<string> {
    const { insecureHttp } = this.#answers
    return this.#ask.text(message, (answer) => wrongUrl(answer, example, insecureHttp === true), example)
  }

  async #signingKey(): Promise<void> {
    const read = (file: string): string => readKeyFile(path.resolve(this.#environment.cwd, file)).reveal()
    const file = await this.#ask.text(
      'File with the private key (PEM or JWK; mode 0600)',
      (answer) => {
        if (answer === '') return 'This cannot be empty.'
        try {
          read(answer)
          return undefined
        } catch (error) {
          if (!(error instanceof EvertokenError)) throw error
          return `${error.message}. ${error.advice ?? ''}`
        }
      },
      'service-account.pem',
    )
    this.#answers.signingKey = read(file)
  }
}

/** What somebody types to give a variable: a secret is never an argument. */
const variableFlag = ({ profile }: GrantAnswers, name: string): string => {
  const { secret, example } = profile?.profile.variables?.[name] ?? {}
  return secret === true ? `--variable-env ${name}=VARIABLE` : `--variable ${name}=${example ?? 'VALUE'}`
}

function wrongValue(answer: string, variable: ProfileVariable): string | undefined {
  if (answer === '') return 'This cannot be empty.'
  if (new RegExp(`^(?:${variablePattern(variable)})$`, 'u').test(answer)) return undefined
  return variable.example === undefined
    ? `It must match ${variablePattern(variable)}`
    : `Write it like ${variable.example}`
}

function wrongUrl(answer: string, example: string, insecureHttp: boolean): string | undefined {
  const url = URL.parse(answer)
  if (url === null || !/^https?:$/.test(url.protocol)) return `Write it whole, as in ${example}`
  if (url.username !== '' || url.password !== '')
    return 'Leave user name and password out; they are asked for.'
  const here = /^(127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'http:' && !here && !insecureHttp)
    return 'Use https. (--insecure-http allows plain http, where the network in between is yours.)'
  return undefined
}
